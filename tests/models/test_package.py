"""A model as one file: what comes back is what was shared, and nothing else is taken."""

import hashlib
import json
import os
import stat
import zipfile
from contextlib import suppress

import pytest

from napari_cellseg import archives
from napari_cellseg.errors import CellSegError, ModelError, OutputError, UntrustedFileError
from napari_cellseg.models import registry
from napari_cellseg.models.collection import add_model, remove_model
from napari_cellseg.models.package import share_model, unpacked
from napari_cellseg.models.registry import find_model, list_models
from napari_cellseg.models.trust import trust_file


@pytest.fixture
def shared(make_model, tmp_path):
    """A shared model with trainable weights."""
    weights = make_model("cells", tmp_path / "mine", author="Ada", trained_on=("a" * 16,))
    weights.with_suffix(".safetensors").write_bytes(os.urandom(1000))
    return share_model(weights, tmp_path / "cells.cellseg")


def contents(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, content)
    return path


def changed(path, change):
    """A package whose list of contents was changed."""
    files = contents(path)
    told = json.loads(files["contents.json"])
    change(told, files)
    files["contents.json"] = json.dumps(told).encode()
    return written(path.with_name("changed.cellseg"), files)


def by_role(told, role):
    return next(file for file in told["files"] if file["role"] == role)


def refused(path, words):
    """It is not added, in words, and leaves nothing behind."""
    before = [entry.card.name for entry in list_models()]
    with pytest.raises(ModelError, match=words) as error:
        add_model(path, "stranger")
    assert str(path) in str(error.value)
    assert [entry.card.name for entry in list_models()] == before
    folder = registry.added_folder()
    assert not folder.exists() or not list(folder.iterdir())


def test_what_was_shared_comes_back(shared, tmp_path):
    original = find_model(tmp_path / "mine" / "cells.onnx")
    entry = add_model(shared, "theirs")
    assert entry.card == original.card.model_copy(update={"name": "theirs", "weights": "theirs.onnx"})
    assert entry.path.read_bytes() == original.path.read_bytes()
    assert entry.trainable.read_bytes() == original.trainable.read_bytes()
    assert find_model("theirs") == entry


def test_the_card_s_name_is_kept_and_may_be_taken(shared):
    assert add_model(shared).card.name == "cells"
    with pytest.raises(ValueError, match="'cells' is taken"):
        add_model(shared)
    remove_model("cells")
    assert add_model(shared).card.name == "cells"


def test_the_same_model_gives_the_same_bytes_and_the_ending(shared, tmp_path):
    again = share_model(tmp_path / "mine" / "cells.json", str(tmp_path / "again"))
    assert again == tmp_path / "again.cellseg"
    assert again.read_bytes() == shared.read_bytes()
    with pytest.raises(OutputError, match="there already"):
        share_model(tmp_path / "mine" / "cells.onnx", again)
    share_model(tmp_path / "mine" / "cells.onnx", again, overwrite=True)
    with pytest.raises(OutputError, match="folder does not exist"):
        share_model(tmp_path / "mine" / "cells.onnx", tmp_path / "none" / "x")


def test_unpacked_by_hand_it_is_a_model(shared, tmp_path):
    with zipfile.ZipFile(shared) as archive:
        archive.extractall(tmp_path / "by_hand")
    assert find_model(tmp_path / "by_hand" / "cells.onnx").trainable is not None


def test_a_renamed_package_is_known_by_its_content(shared, tmp_path):
    assert add_model(shared.rename(tmp_path / "model.zip"), "x").card.name == "x"


def test_a_bundled_model_can_be_shared(tmp_path):
    entry = add_model(share_model("phase", tmp_path / "phase"), "phase-copy")
    assert entry.card.sha256 == find_model("phase").card.sha256
    assert entry.trainable.read_bytes() == find_model("phase").trainable.read_bytes()


def test_damaged_weights_are_not_shared(make_model, tmp_path):
    weights = make_model("cells", tmp_path / "mine")
    weights.write_bytes(weights.read_bytes() + b"x")
    with pytest.raises(ModelError, match="not those that the card"):
        share_model(weights, tmp_path / "x")
    assert not (tmp_path / "x.cellseg").exists()


def test_a_package_is_not_used_as_it_is(shared):
    with pytest.raises(ModelError, match="Add it to your models"):
        find_model(shared)


def replaced_weights(told, files):
    files["cells.onnx"] = bytes(reversed(files["cells.onnx"]))


def other_weights(told, files):
    replaced_weights(told, files)
    by_role(told, "weights")["sha256"] = hashlib.sha256(files["cells.onnx"]).hexdigest()


def other_size(told, files):
    files["cells.onnx"] += b"x"


def no_weights(told, files):
    told["files"] = [file for file in told["files"] if file["role"] != "weights"]
    del files["cells.onnx"]


def two_cards(told, files):
    told["files"].append({**by_role(told, "card"), "name": "b.json"})
    files["b.json"] = files["cells.json"]


def missing_file(told, files):
    del files["cells.safetensors"]


def extra_file(told, files):
    files["extra.txt"] = b"hello"


def same_name(told, files):
    by_role(told, "trainable")["name"] = "cells.onnx"
    del files["cells.safetensors"]


def lists_itself(told, files):
    by_role(told, "trainable").update(name="contents.json")
    del files["cells.safetensors"]


def foreign_trainable(told, files):
    by_role(told, "trainable")["name"] = "other.safetensors"
    files["other.safetensors"] = files.pop("cells.safetensors")


def no_card(told, files):
    files["cells.json"] = b"{}"
    by_role(told, "card").update(size=2, sha256=hashlib.sha256(b"{}").hexdigest())


def newer(told, files):
    told["format"] = 2


def unknown_key(told, files):
    told["run"] = "rm -rf"


@pytest.mark.parametrize(
    "change, words",
    [
        (replaced_weights, "SHA-256 of 'cells.onnx' differs"),
        (other_weights, "its card describes other weights"),
        (other_size, "'cells.onnx' is not as long"),
        (no_weights, "a card and weights"),
        (two_cards, "each once"),
        (missing_file, "the files that it lists"),
        (extra_file, "the files that it lists"),
        (same_name, "the files that it lists"),
        (lists_itself, "the files that it lists"),
        (foreign_trainable, "other weights"),
        (no_card, "not a valid model card"),
        (newer, "Update napari-cellseg"),
        (unknown_key, "not a valid shared model: run"),
    ],
)
def test_what_does_not_fit_is_refused(shared, change, words):
    refused(changed(shared, change), words)


@pytest.mark.parametrize("name", ["../evil.json", "/tmp/evil.json", "a/b.json", "C:\\evil.json", "..", ""])
def test_names_that_lead_out_are_refused(shared, name, tmp_path):
    def change(told, files):
        by_role(told, "card")["name"] = name
        files[name or "x"] = files.pop("cells.json")

    refused(changed(shared, change), "not a valid shared model: files")
    files = contents(shared)
    refused(written(tmp_path / "extra.cellseg", {**files, name or "./": b"evil"}), "lists")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_links_and_twins_are_refused(shared, tmp_path):
    files = list(contents(shared).items())
    refused(written(tmp_path / "twins.cellseg", [*files, files[-1]]), "twice")
    link = zipfile.ZipInfo("cells.safetensors")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    others = [(name, content) for name, content in files if name != link.filename]
    refused(written(tmp_path / "link.cellseg", [*others, (link, "/etc/passwd")]), "link")


def test_bombs_are_refused(shared, tmp_path, monkeypatch):
    files = contents(shared)
    monkeypatch.setattr(archives, "FREE_GROWTH", 10**6)
    bomb = {**files, "cells.safetensors": bytes(10**8)}
    refused(written(tmp_path / "bomb.cellseg", bomb), "would unpack to")
    text = {**files, "contents.json": b" " * (2**24 + 1) + files["contents.json"]}
    monkeypatch.setattr(archives, "FREE_GROWTH", 2**28)
    refused(written(tmp_path / "text.cellseg", text), "larger than")
    deep = {**files, "contents.json": b"[" * 10**6}
    refused(written(tmp_path / "deep.cellseg", deep), "not valid")


@pytest.mark.parametrize("length", [0, 10, 300, -30])
def test_half_a_file_is_refused(shared, tmp_path, length):
    half = tmp_path / "half.cellseg"
    half.write_bytes(shared.read_bytes()[:length])
    refused(half, "damaged")


def test_any_flipped_byte_is_noticed_or_harmless(shared, tmp_path):
    """Whatever is damaged, either an error in words or the very same model comes out."""
    content, flipped = shared.read_bytes(), tmp_path / "flipped.cellseg"
    with unpacked(shared) as card:
        whole = {path.name: path.read_bytes() for path in card.parent.iterdir()}
    for place in range(0, len(content), 37):
        flipped.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        with suppress(ModelError), unpacked(flipped) as card:
            assert {path.name: path.read_bytes() for path in card.parent.iterdir()} == whole


def test_a_stranger_s_pickle_needs_trust(make_model, tmp_path):
    pickle = make_model("cells", tmp_path / "mine", backend="ultralytics", kind="instance")
    pickle = pickle.rename(pickle.with_suffix(".pt"))
    card = json.loads(pickle.with_suffix(".json").read_text())
    pickle.with_suffix(".json").write_text(json.dumps({**card, "weights": "cells.pt"}))
    package = share_model(pickle, tmp_path / "cells.cellseg")
    with pytest.raises(UntrustedFileError, match="pickle") as error:
        add_model(package)
    assert error.value.path == str(package)
    trust_file(package)
    with pytest.raises(CellSegError) as error:  # ultralytics is missing, or it is no network of its
        add_model(package)
    assert not isinstance(error.value, UntrustedFileError)


def test_another_backend_s_pickle_needs_trust_too(make_model, tmp_path):
    other = make_model("cells", tmp_path / "mine", backend="other")
    other = other.rename(other.with_suffix(".pth"))
    card = json.loads(other.with_suffix(".json").read_text())
    other.with_suffix(".json").write_text(json.dumps({**card, "weights": "cells.pth"}))
    with pytest.raises(UntrustedFileError):
        add_model(share_model(other, tmp_path / "x"))
