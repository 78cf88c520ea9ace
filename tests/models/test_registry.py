"""The registry: names, files, added models, other packages' backends and models."""

import json
import os
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.errors import CellSegWarning, ModelError, OptionError, OutputError
from napari_cellseg.instances.instance import Instances
from napari_cellseg.models import collection, onnx, registry
from napari_cellseg.models.collection import add_model, remove_model, rename_model
from napari_cellseg.models.registry import find_model, list_models, load_model


def names():
    return [(entry.card.name, entry.origin) for entry in list_models()]


@pytest.fixture
def only_ours(tmp_path, monkeypatch, make_model):
    """A registry with one bundled model called 'nuclei' and no other package."""
    monkeypatch.setattr(registry, "bundled_folder", lambda: tmp_path / "bundled")
    monkeypatch.setattr(registry, "entry_points", lambda group: [])
    return make_model("nuclei", tmp_path / "bundled")


def offer(monkeypatch, group, **values):
    """Pretend that another package registers `values` in an entry-point group."""
    points = []
    for name, value in values.items():
        point = EntryPoint(name, f"other_package:{name}", group)
        vars(point)["load"] = value if isinstance(value, type) else lambda value=value: value
        points.append(point)
    monkeypatch.setattr(registry, "entry_points", lambda group: [p for p in points if p.group == group])


def test_names_are_found_whatever_their_case(only_ours):
    assert names() == [("nuclei", "bundled")]
    entry = find_model("Nuclei")
    assert (entry.card.name, entry.path) == ("nuclei", only_ours)


def test_an_unknown_name_lists_the_known_ones(only_ours):
    with pytest.raises(
        ModelError, match=r"no model 'nucelei'. Did you mean 'nuclei'\? Known models: 'nuclei'"
    ):
        find_model("nucelei")
    with pytest.raises(ModelError, match=r"no model 'zzz'\. Known models: 'nuclei'"):
        find_model("zzz")
    with pytest.raises(ModelError, match="no model file"):
        find_model("no/such.onnx")


def test_an_open_model_is_opened_once(only_ours):
    model = load_model("nuclei", "cpu")
    assert load_model("nuclei", "cpu") is model
    assert load_model(only_ours, "cpu") is model
    assert load_model(model) is model
    registry.close_models()
    assert load_model("nuclei", "cpu") is not model


def test_replaced_weights_are_not_served_from_memory(only_ours, make_model, tiny_onnx):
    load_model("nuclei", "cpu")
    make_model("nuclei", only_ours.parent, content=tiny_onnx(np.zeros((4, 3), np.float32)))
    maps = load_model("nuclei", "cpu").predict_maps(np.ones((1, 3, 16, 16), np.float32))
    assert not maps.any()


def test_what_is_no_model(only_ours, tmp_path):
    with pytest.raises(ModelError, match="not int"):
        load_model(3)
    with pytest.raises(OptionError, match="device must be"):
        load_model("nuclei", "gpu")
    with pytest.raises(ModelError, match="no model file"):
        load_model(tmp_path / "none.onnx")


def test_a_file_with_its_card_beside_inside_or_nowhere(
    tmp_path, make_model, tiny_onnx, tiny_card, monkeypatch
):
    weights = make_model("cells", tmp_path / "a")
    for given in (weights, str(weights), weights.with_suffix(".json")):
        entry = find_model(given)
        assert (entry.card.name, entry.path, entry.origin) == ("cells", weights, "file")
    monkeypatch.chdir(weights.parent)
    assert find_model("cells.onnx").card.name == "cells"
    content = tiny_onnx(
        np.ones((4, 3), np.float32), properties={onnx.CARD_PROPERTY: tiny_card().model_dump_json()}
    )
    inside = tmp_path / "inside.onnx"
    inside.write_bytes(content)
    assert find_model(inside).card.name == "tiny"
    weights.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match=r"have no model card.*'cells.json'"):
        find_model(weights)
    other = tmp_path / "weights.safetensors"
    other.write_bytes(b"x")
    with pytest.raises(ModelError, match="have no model card"):
        find_model(other)


def test_adding_and_removing(only_ours, make_model, tmp_path):
    weights = make_model("cells", tmp_path / "mine")
    entry = add_model(weights, "My-cells_2")
    assert (entry.card.name, entry.origin) == ("My-cells_2", "added")
    assert entry.path.parent == Path(os.environ["NAPARI_CELLSEG_HOME"]) / "data" / "models"
    assert names() == [("nuclei", "bundled"), ("My-cells_2", "added")]
    weights.unlink()
    tiles = np.ones((1, 3, 16, 16), np.float32)
    assert load_model("my-cells_2", "cpu").predict_maps(tiles).shape == (1, 4, 16, 16)
    remove_model("My-cells_2")
    assert names() == [("nuclei", "bundled")]
    assert list(entry.path.parent.iterdir()) == []


def test_trainable_weights_come_and_go_with_the_model(only_ours, make_model, tmp_path):
    weights = make_model("cells", tmp_path / "mine")
    assert find_model(weights).trainable is None
    weights.with_suffix(".safetensors").write_bytes(b"trainable")
    assert find_model(weights).trainable == weights.with_suffix(".safetensors")
    entry = add_model(weights, "my.cells")
    assert entry.trainable == entry.path.with_name("my.cells.safetensors")
    assert entry.trainable.read_bytes() == b"trainable"
    assert find_model("my.cells") == entry
    remove_model("my.cells")
    assert list(entry.path.parent.iterdir()) == []


def test_the_card_s_own_name_and_names_that_are_taken(only_ours, make_model, tmp_path):
    weights = make_model("cells", tmp_path / "mine")
    assert add_model(weights).card.name == "cells"
    with pytest.raises(OptionError, match="'cells' is taken by a model that is added"):
        add_model(weights)
    with pytest.raises(OptionError, match="'NUCLEI' is taken by a model that is bundled"):
        add_model(weights, "NUCLEI")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", "../x", "a b", "-a", "a.", "ä", "x" * 81, "a\n"]
)
def test_names_that_are_not_allowed(only_ours, make_model, tmp_path, name):
    with pytest.raises(OptionError, match="A model's name must be"):
        add_model(make_model("cells", tmp_path / "mine"), name)


def test_a_model_that_does_not_run_is_not_added(only_ours, make_model, tiny_onnx, tmp_path):
    bad = make_model("bad", tmp_path / "mine", content=tiny_onnx(np.ones((5, 3), np.float32), fixed=False))
    with pytest.raises(ModelError, match="promises"):
        add_model(bad)
    nan = make_model("nan", tmp_path / "mine", content=tiny_onnx(np.full((4, 3), np.nan, np.float32)))
    with pytest.raises(ModelError, match="something else than its card promises"):
        add_model(nan)
    with pytest.raises(ModelError, match="not an ONNX file"):
        add_model(make_model("text", tmp_path / "mine", content=b"hello"))
    with pytest.raises(ModelError, match="no model file"):
        add_model("nuclei")
    assert names() == [("nuclei", "bundled")]


def test_a_card_that_asks_for_too_much_memory(only_ours, make_model, tmp_path):
    with pytest.raises(ModelError, match="asks for tiles of 1,048,576 pixels"):
        add_model(make_model("huge", tmp_path / "mine", tile=2**20))


def test_a_folder_that_cannot_be_written(only_ours, make_model, tmp_path, user_folder):
    user_folder.write_text("a file is in the way")
    with pytest.raises(OutputError, match="a file is in the way"):
        add_model(make_model("cells", tmp_path / "mine"))


def test_only_added_models_can_be_removed(only_ours):
    with pytest.raises(ModelError, match="is bundled; only models that you added"):
        remove_model("nuclei")
    with pytest.raises(ModelError, match="no model 'none'"):
        remove_model("none")
    assert only_ours.is_file()


def test_a_broken_card_hides_no_other_model(only_ours, make_model):
    folder = registry.added_folder()
    make_model("fine", folder)
    (folder / "broken.json").write_text("{")
    make_model("twin", folder, name="nuclei")
    with pytest.warns(CellSegWarning) as caught:
        assert names() == [("nuclei", "bundled"), ("fine", "added")]
    texts = [str(w.message) for w in caught]
    assert any("broken.json" in t for t in texts)
    assert any("'nuclei' is taken by a model that is bundled" in t for t in texts)


class OtherModel:
    """A model of another package."""

    def __init__(self, card, device):
        self.card, self.device = card, device

    def predict_instances(self, tiles):
        return [Instances.empty() for _ in tiles]


def other_backend(card, weights, device):
    assert weights.is_file()
    return OtherModel(card, device)


@pytest.fixture
def others_model(make_model, tmp_path):
    return make_model("blobs", tmp_path / "other", backend="other", kind="instance", maps=(), decoder=None)


def test_a_backend_and_a_model_of_another_package(only_ours, others_model, monkeypatch):
    with pytest.raises(
        ModelError, match=r"needs the backend 'other', which is not installed\. Installed backends: 'onnx'"
    ):
        load_model(others_model)
    points = {registry.BACKEND_GROUP: {"other": other_backend}, registry.MODEL_GROUP: {"blobs": None}}
    points[registry.MODEL_GROUP]["blobs"] = lambda: others_model.with_suffix(".json")

    def fake(group):
        found = [EntryPoint(n, "other_package:x", group) for n in points.get(group, {})]
        for point in found:
            vars(point)["load"] = lambda group=group, name=point.name: points[group][name]
        return found

    monkeypatch.setattr(registry, "entry_points", fake)
    assert names() == [("nuclei", "bundled"), ("blobs", "entry point")]
    model = load_model("blobs", "cuda:3")
    assert isinstance(model, OtherModel)
    assert model.device == "cuda:3"
    assert load_model("blobs", "cuda:3") is model
    with pytest.raises(ModelError, match="offered by another package; only"):
        remove_model("blobs")
    others_model.write_bytes(b"changed")
    with pytest.raises(ModelError, match="not those that the card"):
        load_model("blobs", "cpu")


def raising_backend(card, weights, device):
    raise RuntimeError("it broke")


def wrong_backend(card, weights, device):
    return "no model"


@pytest.mark.parametrize(
    "backend, words",
    [
        (raising_backend, "cannot open 'blobs': it broke"),
        (wrong_backend, "returned str, which is no instance model"),
    ],
)
def test_a_backend_that_fails(only_ours, others_model, monkeypatch, backend, words):
    offer(monkeypatch, registry.BACKEND_GROUP, other=backend)
    with pytest.raises(ModelError, match=words):
        load_model(others_model)


def test_another_package_that_cannot_be_imported(only_ours, others_model, monkeypatch):
    monkeypatch.setattr(
        registry, "entry_points", lambda group: [EntryPoint("other", "no_such_package_at_all:x", group)]
    )
    with pytest.raises(ModelError, match="cannot be imported"):
        load_model(others_model)
    with pytest.warns(CellSegWarning, match="are left out"):
        assert names() == [("nuclei", "bundled")]


def test_a_real_distribution_registers_a_backend(others_model, tmp_path, monkeypatch):
    """Entry points as an installed package has them, found through sys.path."""
    info = tmp_path / "site" / "other_cells-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-cells\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[napari_cellseg.backends]\nother = other_cells_backend:open_it\n")
    (tmp_path / "site" / "other_cells_backend.py").write_text(
        "from napari_cellseg.instances.instance import Instances\n"
        "class Model:\n"
        "    device = 'cpu'\n"
        "    def predict_instances(self, tiles):\n"
        "        return [Instances.empty() for _ in tiles]\n"
        "def open_it(card, weights, device):\n"
        "    model = Model()\n"
        "    model.card = card\n"
        "    return model\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert load_model(others_model).card.name == "blobs"


def test_an_instance_model_must_give_boxes_and_prototypes(make_model):
    with pytest.raises(ModelError, match="not a YOLO segmentation network"):
        load_model(make_model("i", kind="instance", maps=(), decoder=None))


def test_a_half_written_model_is_not_listed(only_ours, make_model, tmp_path, monkeypatch):
    """The card is written last: without it there is no model."""

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(collection, "write_card", fail)
    with pytest.raises(OSError, match="No space left"):
        add_model(make_model("cells", tmp_path / "mine"))
    assert names() == [("nuclei", "bundled")]
    assert json.loads(only_ours.with_suffix(".json").read_text())["name"] == "nuclei"


def test_renaming(only_ours, make_model, tmp_path):
    weights = make_model("cells", tmp_path / "mine", author="Ada")
    weights.with_suffix(".safetensors").write_bytes(b"trainable")
    before = add_model(weights)
    entry = rename_model("Cells", "better.cells")
    assert entry == find_model("better.cells")
    assert entry.card == before.card.model_copy(update={"name": "better.cells", "weights": entry.path.name})
    assert entry.trainable.read_bytes() == b"trainable"
    assert {path.name for path in entry.path.parent.iterdir()} == {
        "better.cells.onnx", "better.cells.json", "better.cells.safetensors",
    }  # fmt: skip
    assert rename_model("better.cells", "better.cells") == entry
    upper = rename_model("better.cells", "Better.Cells")
    assert upper == find_model("better.cells")
    assert names() == [("nuclei", "bundled"), ("Better.Cells", "added")]
    remove_model("Better.Cells")
    assert list(entry.path.parent.iterdir()) == []


def test_what_cannot_be_renamed(only_ours, make_model, tmp_path):
    add_model(make_model("cells", tmp_path / "mine"))
    with pytest.raises(ModelError, match="only models that you added can be renamed"):
        rename_model("nuclei", "mine")
    with pytest.raises(OptionError, match="'nuclei' is taken"):
        rename_model("cells", "nuclei")
    with pytest.raises(OptionError, match="must be 1 to 80"):
        rename_model("cells", "../cells")
    with pytest.raises(OptionError, match="must be 1 to 80"):
        rename_model("cells", "")
    assert names() == [("nuclei", "bundled"), ("cells", "added")]


def test_a_crash_while_renaming_loses_nothing(only_ours, make_model, tmp_path, monkeypatch):
    add_model(make_model("cells", tmp_path / "mine"))
    monkeypatch.setattr(collection, "_delete", lambda entry: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        rename_model("cells", "other")
    assert names() == [("nuclei", "bundled"), ("cells", "added"), ("other", "added")]


def test_files_of_another_model_are_never_replaced(only_ours, make_model, tmp_path):
    make_model("twin", registry.added_folder(), name="other")
    with pytest.raises(OptionError, match="files of the model 'other' are called 'twin'"):
        add_model(make_model("twin", tmp_path / "mine"))
    remove_model("other")
    assert add_model(tmp_path / "mine" / "twin.onnx").card.name == "twin"


def test_trainable_weights_of_a_model_that_was_half_written_are_forgotten(only_ours, make_model, tmp_path):
    registry.added_folder().mkdir(parents=True)
    (registry.added_folder() / "cells.safetensors").write_bytes(b"of another model")
    assert add_model(make_model("cells", tmp_path / "mine")).trainable is None
