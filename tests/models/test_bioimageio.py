"""Packages of bioimage.io: ours are valid and come back; others come in where their kind fits."""

import copy
import hashlib
import io
import os
import socket
import stat
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg import archives
from napari_cellseg.errors import CellSegWarning, MissingDependencyError, ModelError, OptionError, OutputError
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.models import registry
from napari_cellseg.models.bioimageio.description import opset_version
from napari_cellseg.models.bioimageio.exporting import export_bioimageio
from napari_cellseg.models.bioimageio.foreign import foreign_card, network_of
from napari_cellseg.models.collection import add_model, remove_model
from napari_cellseg.models.registry import find_model, load_model
from napari_cellseg.pipeline import segment

PERCENTILES = {"min_percentile": 2, "max_percentile": 98}


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def refused(path, words):
    with pytest.raises(ModelError, match=words) as error:
        add_model(path, "stranger")
    assert str(path) in str(error.value)
    folder = registry.added_folder()
    assert not folder.exists() or not list(folder.iterdir())


@pytest.fixture
def offline(monkeypatch):
    """Whoever opens a connection fails."""

    def refuse(*args):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


# -- out --------------------------------------------------------------------------------------------------


def check_contents(path, name):
    """Whoever follows the description gets the maps that it promises."""
    with zipfile.ZipFile(path) as archive:
        files = {file: archive.read(file) for file in archive.namelist()}
    told = yaml.safe_load(files["rdf.yaml"])
    given, expected = (np.load(io.BytesIO(files[f"test_{which}.npy"])) for which in ("input", "output"))
    scale, clip = (step["kwargs"] for step in told["inputs"][0]["preprocessing"])
    low, high = np.percentile(given, (scale["min_percentile"], scale["max_percentile"]))
    scaled = np.clip((given - low) / (high - low + 1e-6), clip["min"], clip["max"]).astype(np.float32)
    maps = load_model(name, "cpu").predict_maps(scaled)
    assert np.abs(maps - expected).max() < 1e-3
    assert (expected[0, 0] > 0.5).mean() > 0.05
    assert told["weights"]["onnx"]["sha256"] == hashlib.sha256(files[f"{name}.onnx"]).hexdigest()
    assert b"# Validation" in files["README.md"]
    assert b"is simulated" in files["README.md"]
    assert files["cover.png"]


@pytest.mark.parametrize("name", ["nuclei", "phase"])
def test_a_bundled_model_is_valid_and_comes_back(name, tmp_path, offline):
    pytest.importorskip("bioimageio.spec")
    written = export_bioimageio(name, tmp_path / "package")
    assert written.path == tmp_path / "package.zip"
    assert written.status in ("valid-format", "passed")
    check_contents(written.path, name)
    entry = add_model(written.path, "back")
    original = find_model(name)
    assert entry.card == original.card.model_copy(update={"name": "back", "weights": "back.onnx"})
    assert entry.trainable.read_bytes() == original.trainable.read_bytes()
    image = simulate_fluorescence((200, 220), seed=3).image
    found, again = (segment(image, model, device="cpu", confidence=0.2).labels for model in (name, "back"))
    assert found.any()
    np.testing.assert_array_equal(found, again)


def test_authors_licence_image_and_file_of_an_export(make_model, tiny_onnx, tmp_path):
    pytest.importorskip("bioimageio.spec")
    content = tiny_onnx(np.full((4, 3), 0.3, np.float32))
    mine = make_model(
        "mine", content=content, licence="as its parent's", title="x", overlap=48, tile_multiple=4
    )
    with pytest.raises(OptionError, match="SPDX"):
        export_bioimageio(mine, tmp_path / "x")
    with pytest.raises(OptionError, match="authors"):
        export_bioimageio(mine, tmp_path / "x", licence="MIT")
    image = np.random.default_rng(0).integers(0, 4000, (300, 280, 3), np.uint16)
    written = export_bioimageio(mine, tmp_path / "x", licence="MIT", authors=["Ada"], image=image)
    with zipfile.ZipFile(written.path) as archive:
        told = yaml.safe_load(archive.read("rdf.yaml"))
        tested = np.load(io.BytesIO(archive.read("test_input.npy")))
    assert (told["license"], told["authors"]) == ("MIT", [{"name": "Ada"}])
    np.testing.assert_array_equal(tested[0], np.moveaxis(image[22:278, 12:268], 2, 0))
    with pytest.raises(OutputError, match="there already"):
        export_bioimageio(mine, written.path, licence="MIT", authors=["Ada"])
    with pytest.raises(OptionError, match="at least 256"):
        export_bioimageio(mine, tmp_path / "y", licence="MIT", authors=["Ada"], image=image[:100])
    with pytest.raises(OptionError, match="channels"):
        export_bioimageio(mine, tmp_path / "y", licence="MIT", authors=["Ada"], image=image[..., :2])


def test_an_instance_model_and_a_missing_package(make_model, tmp_path, monkeypatch):
    yolo = make_model("yolo", kind="instance", backend="ultralytics", maps=(), decoder=None, author="Ada")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "bioimageio.spec.generic.v0_3", None)
        with pytest.raises(MissingDependencyError, match=r"napari-cellseg\[zoo\]"):
            export_bioimageio(yolo, tmp_path / "x")
    pytest.importorskip("bioimageio.spec")
    with pytest.raises(ModelError, match="an instance model run by ultralytics"):
        export_bioimageio(yolo, tmp_path / "x")
    assert not (tmp_path / "x.zip").exists()


def test_the_version_of_operators_is_read_from_the_file(tiny_onnx):
    assert opset_version(tiny_onnx(np.ones((1, 1), np.float32))) == 11
    assert opset_version(find_model("nuclei").path.read_bytes()) == 18
    for content in (b"", b"hello", tiny_onnx(np.ones((1, 1), np.float32))[:40]):
        with pytest.raises(ModelError, match="ONNX file"):
            opset_version(content)


# -- in ---------------------------------------------------------------------------------------------------


def axes(size, channels):
    space = ({"type": "space", "id": axis, "size": size} for axis in "yx")
    return [{"type": "batch"}, {"type": "channel", "channel_names": channels}, *space]


DESCRIPTION = {
    "format_version": "0.5.4",
    "type": "model",
    "name": "Nuclei of somebody",
    "description": "It finds nuclei.",
    "id": "funny-fish",
    "license": "MIT",
    "tags": ["2d"],
    "authors": [{"name": "Ada"}, {"name": "Bob"}],
    "timestamp": "2024-05-06T00:00:00",
    "inputs": [{
        "id": "raw",
        "axes": axes({"min": 32, "step": 16}, ["intensity"]),
        "test_tensor": {"source": "in.npy"},
        "preprocessing": [
            {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
            {"id": "scale_range", "kwargs": {"axes": ["y", "x"], **PERCENTILES}},
        ],
    }],
    "outputs": [{
        "id": "out",
        "axes": axes({"tensor_id": "raw", "axis_id": "y"}, ["foreground"]),
        "test_tensor": {"source": "out.npy"},
    }],
    "weights": {"pytorch_state_dict": {"source": "evil.pt"}, "onnx": {"source": "net.onnx"}},
}  # fmt: skip

NONSENSE = st.one_of(
    st.none(), st.integers(-5, 10**9), st.floats(), st.text(max_size=8), st.sampled_from(["bcyx", [], {}]),
    st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=3), st.just({})), max_size=5),
    st.dictionaries(st.sampled_from(["min", "step", "id", "source", "axes"]), st.integers(-3, 3)),
)  # fmt: skip


@pytest.fixture
def parts(tiny_onnx):
    """A description of somebody's package of a network with one channel and one map, and its files."""
    raw = np.random.default_rng(1).integers(50, 900, (1, 1, 64, 64)).astype(np.float32)
    low, high = np.percentile(raw, (2, 98))
    weights = tiny_onnx(np.full((1, 1), 0.8, np.float32))
    description = copy.deepcopy(DESCRIPTION)
    description["weights"]["onnx"]["sha256"] = hashlib.sha256(weights).hexdigest()
    out = 0.8 * (raw - low) / (high - low)
    return description, {"net.onnx": weights, "in.npy": npy(raw), "out.npy": npy(out.astype(np.float32))}


def packed(path, parts, inside=""):
    description, files = parts
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{inside}rdf.yaml", yaml.safe_dump(description))
        for name, content in files.items():
            archive.writestr(inside + name, content)
    return path


def old_format(description):
    """The same in format 0.4."""
    image, maps = description["inputs"][0], description["outputs"][0]
    image.update(
        name="raw", axes="bcyx", data_type="float32", shape={"min": [1, 1, 32, 32], "step": [0, 0, 16, 16]}
    )
    image["preprocessing"] = [
        {"name": "scale_range", "kwargs": {"mode": "per_sample", "axes": "xy", **PERCENTILES}}
    ]
    maps.update(name="out", axes="bcyx", halo=[0, 0, 8, 8])
    maps["shape"] = {"reference_tensor": "raw", "scale": [1, 0, 1, 1], "offset": [0, 0.5, 0, 0]}
    del image["test_tensor"], maps["test_tensor"]
    description.update(format_version="0.4.10", test_inputs=["in.npy"], test_outputs=["out.npy"])


@pytest.mark.parametrize("change", [lambda description: None, old_format], ids=["0.5", "0.4"])
@pytest.mark.parametrize("inside", ["", "a folder/"])
def test_somebody_s_network_comes_in(parts, tmp_path, change, inside):
    change(parts[0])
    entry = add_model(packed(tmp_path / "p.zip", parts, inside))
    card = entry.card
    assert (card.name, card.author, card.licence) == ("funny-fish", "Ada, Bob", "MIT")
    assert (card.maps, card.classes, card.channels) == (("foreground",), ("nucleus",), 1)
    assert (card.scaling.low_percentile, card.scaling.high_percentile) == (2, 98)
    assert (card.tile, card.tile_multiple, card.created) == (512, 16, "2024-05-06")
    image = simulate_fluorescence((200, 220), seed=3).image
    assert segment(image, "funny-fish", device="cpu", confidence=0.1).labels.max() > 5
    remove_model("funny-fish")


def test_a_network_that_wants_mean_0_and_deviation_1(parts, tmp_path):
    description, files = parts
    step = {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["y", "x"]}}
    description["inputs"][0]["preprocessing"] = [step]
    raw = np.load(io.BytesIO(files["in.npy"]))
    raw[0, 0, :4, :4] = 9000
    files["in.npy"] = npy(raw)
    files["out.npy"] = npy((0.8 * (raw - raw.mean()) / (raw.std() + 1e-6)).astype(np.float32))
    card = add_model(packed(tmp_path / "p.zip", parts)).card
    assert card.scaling.method == "mean"
    image = raw[0, 0]
    with pytest.warns(CellSegWarning, match="No objects"):
        found = segment(image, "funny-fish", device="cpu", keep_maps=["foreground"])
    np.testing.assert_allclose(
        found.maps["foreground"], np.load(io.BytesIO(files["out.npy"]))[0, 0], atol=0.01
    )
    (used,) = found.provenance["intensities"]
    assert (used["low"], used["clipped"]) == (pytest.approx(image.mean()), False)
    pytest.importorskip("bioimageio.spec")
    again = export_bioimageio("funny-fish", tmp_path / "again.zip", licence="MIT")
    assert add_model(again.path, "again").card.scaling.method == "mean"


def test_an_unpacked_package_comes_in_by_its_folder_or_its_description(parts, tmp_path):
    with zipfile.ZipFile(packed(tmp_path / "p.zip", parts)) as archive:
        archive.extractall(tmp_path / "p")
    assert add_model(tmp_path / "p", "a").card.classes == ("nucleus",)
    assert add_model(tmp_path / "p" / "rdf.yaml", "b").card.classes == ("nucleus",)
    (tmp_path / "p" / "net.onnx").unlink()
    (tmp_path / "p" / "net.onnx").symlink_to(tmp_path / "outside.onnx")
    (tmp_path / "outside.onnx").write_bytes(parts[1]["net.onnx"])
    with pytest.raises(ModelError, match="not in its folder"):
        add_model(tmp_path / "p", "c")


def test_maps_beside_the_foreground(parts, tiny_onnx, tmp_path):
    description, files = parts
    files["net.onnx"] = tiny_onnx(np.full((2, 1), 0.8, np.float32))
    out = np.load(io.BytesIO(files["out.npy"]))
    files["out.npy"] = npy(np.concatenate([out, out], 1))
    del description["weights"]["onnx"]["sha256"]
    for names, separation in (
        (["fg prob", "Distance"], "map"),
        (["foreground", "boundary"], "boundary"),
        (["cells", "x"], "shape"),
    ):
        description["outputs"][0]["axes"][1]["channel_names"] = names
        entry = add_model(packed(tmp_path / "p.zip", parts), names[1].lower())
        assert entry.card.decoder.separation == separation
        assert entry.card.maps == ("foreground", "map1" if names[1] == "x" else names[1].lower())
    description["outputs"][0]["axes"][1]["channel_names"] = ["boundary", "foreground"]
    refused_name = packed(tmp_path / "q.zip", parts)
    with pytest.raises(ModelError, match="a foreground must come first"):
        add_model(refused_name, "c")


@pytest.mark.parametrize(
    "words, maps", [("of boundaries", "boundary"), ("with a distance map", "distance"), ("of cells", None)]
)
@pytest.mark.parametrize("old", [False, True])
def test_two_maps_without_names(parts, tiny_onnx, tmp_path, words, maps, old):
    """The zoo's usual names say nothing; then the description must."""
    description, files = parts
    description["description"] = f"A model {words}."
    description["name"] = "A model"
    files["net.onnx"] = tiny_onnx(np.full((2, 1), 0.8, np.float32))
    out = np.load(io.BytesIO(files["out.npy"]))
    files["out.npy"] = npy(np.concatenate([out, out], 1))
    del description["weights"]["onnx"]["sha256"]
    description["outputs"][0]["axes"][1]["channel_names"] = ["channel0", "channel1"]
    if old:
        old_format(description)
        description["outputs"][0]["shape"].update(scale=[1, 2, 1, 1], offset=[0, 0, 0, 0])
    path = packed(tmp_path / "p.zip", parts)
    if maps is None:
        refused(path, "a foreground must come first")
    else:
        assert add_model(path).card.maps == ("foreground", maps)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_a_description_says_is_read_or_refused_in_words(data):
    """Any one value of a good description replaced by nonsense."""
    description = copy.deepcopy(DESCRIPTION)
    if data.draw(st.booleans()):
        old_format(description)
    place, key = description, "inputs"
    while isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
        place = place[key]
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
    if place is description:
        key = data.draw(st.sampled_from(sorted(place)))
    place[key] = data.draw(NONSENSE)
    try:
        network = network_of(description, "p.zip")
    except ModelError as error:
        assert str(error).startswith("'p.zip' cannot be used: ")  # noqa: PT017
    else:
        assert foreign_card(description, network, "net.onnx", "0" * 64).maps[0] == "foreground"


def at(description, *keys):
    for key in keys:
        description = description[key]
    return description


CHANGES = {
    "is a package of bioimage.io, but not of a model": lambda d: d.update(type="dataset"),
    "format 0.3.0": lambda d: d.update(format_version="0.3.0"),
    "only ONNX runs here": lambda d: at(d, "weights").pop("onnx"),
    "in a second file": lambda d: at(d, "weights", "onnx").update(external_data={"source": "net.onnx.data"}),
    "only says where on the internet": lambda d: at(d, "weights", "onnx").update(
        source="https://x.org/net.onnx"
    ),
    "names 'none.onnx', which it does not hold": lambda d: at(d, "weights", "onnx").update(
        source="none.onnx"
    ),
    "names '../net.onnx'": lambda d: at(d, "weights", "onnx").update(source="../net.onnx"),
    "SHA-256 of 'net.onnx' differs": lambda d: at(d, "weights", "onnx").update(sha256="0" * 64),
    "takes 2 tensors": lambda d: d["inputs"].append(d["inputs"][0]),
    "returns 0 tensors": lambda d: d["outputs"].clear(),
    "the axes 'bczyx'": lambda d: at(d, "inputs", 0, "axes").insert(
        2, {"type": "space", "id": "z", "size": 8}
    ),
    "the axes 'byxc'": lambda d: at(d, "inputs", 0, "axes").append(at(d, "inputs", 0, "axes").pop(1)),
    "2 channels": lambda d: at(d, "inputs", 0, "axes", 1, "channel_names").append("b"),
    "higher than wide": lambda d: at(d, "inputs", 0, "axes", 2).update(size=64),
    "how large its images": lambda d: [a.update(size="any") for a in at(d, "inputs", 0, "axes")[2:]],
    "by 'scale_linear'": lambda d: at(d, "inputs", 0, "preprocessing", 1).update(id="scale_linear"),
    "by a fixed mean": lambda d: at(d, "inputs", 0, "preprocessing", 1).update(
        id="zero_mean_unit_variance", kwargs={"mode": "fixed", "mean": 3, "std": 2}
    ),
    "does nothing with intensities": lambda d: at(d, "inputs", 0, "preprocessing").clear(),
    "afterwards": lambda d: at(d, "outputs", 0).update(postprocessing=[{"id": "sigmoid"}]),
    "it has no test": lambda d: at(d, "inputs", 0).pop("test_tensor"),
    "not what it should give": lambda d: at(d, "inputs", 0, "preprocessing", 1, "kwargs").update(
        min_percentile=20
    ),
    "whose meaning nobody says": lambda d: at(d, "outputs", 0, "axes", 1, "channel_names").clear(),
    "has 1 output maps": lambda d: at(d, "outputs", 0, "axes", 1).update(channel_names=["fg", "b"]),
}


@pytest.mark.parametrize("words", CHANGES)
def test_what_does_not_fit_is_refused_in_words(parts, tmp_path, words):
    CHANGES[words](parts[0])
    refused(packed(tmp_path / "p.zip", parts), words)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        npy(np.array([{}], object)),
        npy(np.zeros((1, 3, 64, 64), np.float32)),
        npy(np.zeros(4))[:80],
    ],
)
def test_test_images_that_are_none(parts, tmp_path, content):
    parts[1]["in.npy"] = content
    refused(packed(tmp_path / "p.zip", parts), "cannot be used")


def test_an_array_that_claims_to_be_huge(parts, tmp_path):
    buffer = io.BytesIO()
    claimed = {"descr": "<f4", "fortran_order": False, "shape": (10**12,)}
    np.lib.format.write_array_header_1_0(buffer, claimed)
    parts[1]["in.npy"] = buffer.getvalue() + bytes(1000)
    refused(packed(tmp_path / "p.zip", parts), "'in.npy' is no array")


@pytest.mark.parametrize(
    "text, words",
    [
        (b"[", "is no YAML"),
        (b"- a", "not of a model"),
        (b"!!python/object/apply:os.system ['true']", "is no YAML"),
        (b"type: model", "format None"),
        (b"[" * 700, "is no YAML"),
        (b"\xff\xfe", "not of a model"),
        (b"a: &a [*a]", "not of a model"),
        (b"#" * 2**23, "larger than"),
    ],
)
def test_descriptions_that_are_none(parts, tmp_path, text, words):
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rdf.yaml", text)
    refused(path, words)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_tricks_with_the_archive_are_refused(parts, tmp_path, monkeypatch):
    path = packed(tmp_path / "twice.zip", parts)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("net.onnx", b"other")
    refused(path, "twice")
    link = zipfile.ZipInfo("net.onnx")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    weights = parts[1].pop("net.onnx")
    path = packed(tmp_path / "link.zip", parts)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    refused(path, "link")
    path = packed(tmp_path / "bomb.zip", (parts[0], {**parts[1], "net.onnx": weights}))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("evil.pt", bytes(10**8))
    monkeypatch.setattr(archives, "FREE_GROWTH", 10**6)
    refused(path, "would unpack to")


def test_nothing_but_what_is_needed_is_read(parts, tmp_path):
    """A pickle and code may lie in a package: nobody opens them."""
    parts[1]["evil.pt"] = b"cos\nsystem\n(S'exit 1'\ntR."
    parts[1]["architecture.py"] = b"raise SystemExit"
    parts[1]["../../outside.txt"] = b"x"
    entry = add_model(packed(tmp_path / "p.zip", parts))
    assert sorted(file.suffix for file in entry.path.parent.iterdir()) == [".json", ".onnx"]
    assert not Path(os.path.normpath(entry.path.parent / "../../outside.txt")).exists()


def test_a_zip_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.txt", b"a")
    refused(tmp_path / "x.zip", "neither a shared model nor a package of bioimage.io")
    (tmp_path / "y.zip").write_bytes(b"PK")
    refused(tmp_path / "y.zip", "neither")
    refused(tmp_path, "no model file")
