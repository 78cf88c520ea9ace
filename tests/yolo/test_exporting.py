"""Export of YOLO weights: the card, the comparison with the source, and everything that can go wrong."""

import importlib.util
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

pytest.importorskip("ultralytics")
pytest.importorskip("onnxslim")

from napari_cellseg.cli.models import export_words
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import (
    CellSegWarning,
    DeviceError,
    ImageError,
    MissingDependencyError,
    ModelError,
    OptionError,
    OutputError,
    UntrustedFileError,
)
from napari_cellseg.images.simulation.fluorescence import simulate_fluorescence
from napari_cellseg.models import ultralytics as backend
from napari_cellseg.models.card import file_hash, read_card, write_card
from napari_cellseg.models.collection import add_model
from napari_cellseg.models.embedded import embedded_card
from napari_cellseg.models.registry import find_model, list_models, load_model
from napari_cellseg.models.trust import trust_file
from napari_cellseg.models.ultralytics import UltralyticsModel
from napari_cellseg.models.yolo import OnnxYoloModel
from napari_cellseg.pipeline import segment
from napari_cellseg.training.runs.run import run_beside
from napari_cellseg.training.yolo import comparing, exporting
from napari_cellseg.training.yolo.exporting import export
from napari_cellseg.training.yolo.recipe import YoloRecipe

EDGE = 256


@pytest.fixture(scope="module")
def images(pictures, tmp_path_factory):
    """A folder with the pictures that the networks know."""
    folder = tmp_path_factory.mktemp("images")
    for i, picture in enumerate(pictures):
        tifffile.imwrite(folder / f"{i}.tif", picture, photometric="rgb")
    return folder


@pytest.fixture
def cells(weights, tmp_path):
    """Trusted weights with a card beside them that says what the network itself does not."""

    def make(name="yolov8n-seg", **known):
        path = tmp_path / "cells.pt"
        shutil.copyfile(weights / f"{name}.pt", path)
        trust_file(path)
        score = {"data": "d", "metric": "AP50", "value": 0.5, "images": 3, "objects": 9}
        told = {"confidence": 0.3, "diameter": 21.0, "scores": [score], "recipe": {"epochs": 3}, **known}
        card = find_model(path).card
        card = type(card).model_validate({**card.model_dump(), **told})
        write_card(card, path.with_suffix(".json"))
        return path

    return make


@pytest.mark.parametrize(
    "name, options",
    [("yolov8n-seg", {}), ("yolov8n-seg", {"half": True}), ("yolo26n-seg", {"dynamic": True})],
)
def test_an_export_finds_what_its_source_finds_and_says_so(cells, images, pictures, tmp_path, name, options):
    source = cells(name)
    exported = export(source, size=EDGE, images=images, device="cpu", **options)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith((".", "cells"))) == [
        "cells.json",
        "cells.onnx",
        "cells.onnx.json",
        "cells.pt",
    ]
    card, record = exported.card, exported.card.export
    assert read_card(exported.card_path) == card == embedded_card(exported.path)
    assert card.sha256 == file_hash(exported.path)
    assert (card.backend, card.weights) == ("onnx", "cells.onnx")
    assert (card.confidence, card.diameter, card.scores[0].metric) == (0.3, 21.0, "AP50")
    assert (card.tile, card.fixed_tile) == (EDGE, "dynamic" not in options)
    assert (record.source, record.source_sha256) == ("cells.pt", file_hash(source))
    assert record.precision == ("fp16" if "half" in options else "fp32")
    found = record.comparison
    assert (found.count, [latency.format for latency in found.latencies]) == (2, ["pt", "onnx"])
    least = 0.7 if "half" in options else 0.95
    assert found.source_objects > 8
    assert found.pairs >= least * max(found.source_objects, found.export_objects)
    assert found.mean_iou > least
    assert 0.5 <= found.worst_iou <= found.mean_iou
    bytes_per_weight = exported.path.stat().st_size / card.parameters
    assert bytes_per_weight < 2.5 if "half" in options else bytes_per_weight > 3.5
    assert find_model(source).card.backend == "ultralytics"
    assert find_model(exported.path).card == card
    assert len(segment(pictures[0], str(exported.path), device="cpu").features) > 0
    boxes, prototypes = OnnxYoloModel(card, exported.path)._run(np.zeros((1, 3, EDGE, EDGE), np.float32))[0]
    assert boxes.shape[0] == 4 + len(card.classes) + len(prototypes), "a head with a limit to its objects"
    words = "\n".join(export_words(record))
    assert f"{found.pairs:,} are the same" in words
    assert "compared on 2 images" in words


def test_the_images_are_a_dataset_a_folder_or_shipped(cells, tmp_path):
    dataset = Dataset.create(tmp_path / "data", classes=["cell"])
    for i, (name, split) in enumerate((("a", "train"), ("b", "val"))):
        scene = simulate_fluorescence((EDGE, EDGE), seed=i)
        dataset.add(scene.image, scene.labels, name=name, split=split)
    seen = comparing.find_pictures(tmp_path / "data")
    assert [picture.name for picture in seen.pictures] == ["b"]
    assert seen.title == "validation images of the dataset 'data'"
    pixels, axes = seen.pictures[0].read()
    assert axes == "YX"
    np.testing.assert_array_equal(pixels, scene.image)
    stack = tmp_path / "stack.tif"
    zeros = np.zeros((3, 4, 2100, 30), np.uint16)
    tifffile.imwrite(stack, zeros, metadata={"axes": "ZCYX"}, imagej=True)
    pixels, axes = comparing.find_pictures(stack).pictures[0].read()
    assert (pixels.shape, axes) == ((4, 2048, 30), "CYX")
    many = tmp_path / "many"
    many.mkdir()
    for i in range(25):
        np.save(many / f"{i:02}.npy", np.zeros((8, 8), np.uint8))
    names = [picture.name for picture in comparing.find_pictures(many).pictures]
    assert (len(names), names[0], names[-1]) == (20, "00.npy", "24.npy")
    shipped = comparing.find_pictures().pictures
    assert [picture.read()[0].ndim for picture in shipped] == [3, 2, 2]
    source = cells()
    run_beside(source).begin(YoloRecipe(data=str(tmp_path / "data"), model=str(source)))
    assert exporting._images(None, source) == str(tmp_path / "data")
    assert exporting._images("mine", source) == "mine"
    shutil.rmtree(tmp_path / "data")
    assert exporting._images(None, source) is None


@pytest.fixture(scope="module")
def made(weights, tmp_path_factory):
    """An ONNX file for tiles of 64 pixels."""
    path = shutil.copy(weights / "yolov8n-seg.pt", tmp_path_factory.mktemp("made"))
    return backend.import_ultralytics().YOLO(path).export(format="onnx", imgsz=64, simplify=False)


@pytest.fixture
def quick(made, monkeypatch):
    """Ultralytics that has exported already."""
    monkeypatch.setattr(
        exporting, "_run_ultralytics", lambda plan, folder: Path(shutil.copy(made, folder / "cells.onnx"))
    )


def test_a_model_with_a_name_is_exported_to_the_current_folder(quick, cells, images, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    added = add_model(cells(), "mine")
    exported = export("mine", size=64, images=images)
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["mine.onnx", "mine.onnx.json"]
    assert exported.card.export.source_sha256 == added.card.sha256
    assert [entry.path.suffix for entry in list_models() if entry.card.name == "mine"] == [".pt"]


def test_a_comparison_without_objects_says_nothing_and_that_is_told(quick, cells, images):
    with pytest.warns(CellSegWarning, match="finds nothing in the images of"):
        exported = export(cells(confidence=1.0), size=64, images=images)
    found = exported.card.export.comparison
    assert (found.source_objects, found.mean_iou, found.worst_iou) == (0, None, None)


def test_a_cancelled_export_leaves_nothing(quick, cells, images, tmp_path):
    job = exporting.exporting(cells(), size=64, images=images)
    step = next(step for step in job if step.stage == "Comparing")
    assert step.total == 4
    assert any(path.name.startswith(".exporting") for path in tmp_path.iterdir())
    job.close()
    assert [p.name for p in sorted(tmp_path.glob("*")) if p.is_file()] == ["cells.json", "cells.pt"]
    assert not any(path.name.startswith(".exporting") for path in tmp_path.iterdir())


def test_what_cannot_be_exported_is_told_before_anything_is_done(cells, tmp_path, monkeypatch):
    with pytest.raises(ModelError, match=r"Only weights of YOLO networks .* is ONNX already"):
        export("nuclei")
    source = cells()
    for options, words in (
        ({"format": "coreml"}, "format must be one of onnx, engine, tensorrt, not 'coreml'"),
        ({"format": "engine", "dynamic": True}, "fixed size"),
        ({"out": tmp_path / "a.pt"}, "must end in .onnx"),
        ({"size": 100}, "multiple of 32 pixels from 64 to 4096, not 100"),
        ({"device": "gpu"}, "device must be"),
    ):
        with pytest.raises(OptionError, match=words):
            export(source, **options)
    (tmp_path / "cells.onnx").write_bytes(b"mine")
    with pytest.raises(OutputError, match="is there already"):
        export(source)
    with pytest.raises(OptionError, match="at least one image"):
        export(source, images=tmp_path / "home", overwrite=True)
    with pytest.raises(ImageError, match="no file or folder"):
        export(source, images=tmp_path / "nowhere", overwrite=True)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxslim" else find(name))
    with pytest.raises(
        MissingDependencyError, match=r"'onnxslim', .* pip install \"napari-cellseg\[yolo\]\""
    ):
        export(source, overwrite=True)
    assert (tmp_path / "cells.onnx").read_bytes() == b"mine"


def test_weights_must_be_trusted_and_those_of_the_card(cells, weights):
    source = cells()
    with source.open("ab") as file:
        file.write(b" ")
    with pytest.raises(UntrustedFileError):
        export(source)
    trust_file(source)
    with pytest.raises(ModelError, match="is not what the card"):
        export(source)


def test_an_error_of_ultralytics_is_told_in_words(cells, images, tmp_path, monkeypatch):
    class Failing:
        def __init__(self, *arguments, **options):
            pass

        def export(self, **options):
            os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
            raise RuntimeError("no such operator\nmore")

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(exporting, "import_ultralytics", lambda: SimpleNamespace(YOLO=Failing))
    with pytest.raises(ModelError, match=r"cannot be exported to onnx \(no such operator\)"):
        export(cells(), images=images)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert not list(tmp_path.glob("*.onnx*"))


# -- TensorRT ---------------------------------------------------------------------------------------------


def test_an_engine_needs_a_gpu_and_tensorrt(cells, monkeypatch):
    source = cells()
    with pytest.raises(DeviceError, match="not on the CPU; use ONNX"):
        export(source, "tensorrt", device="cpu")
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"NVIDIA GPU only\. .*PyTorch.* Use ONNX instead"):
        export(source, "engine")
    with pytest.raises(DeviceError, match="'cuda:0' cannot be used"):
        load_model(str(source), "cuda:0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorrt" else find(name))
    with pytest.raises(MissingDependencyError, match=r"'tensorrt', .* pip install \"tensorrt-cu12\""):
        export(source, "engine")


@pytest.fixture
def fake_tensorrt(cells, monkeypatch):
    """TensorRT whose engines are the weights themselves; remembers how ultralytics was called."""
    source, calls = cells(), []

    class Network:
        def __init__(self, path, task):
            self.path = Path(path)

        def export(self, **options):
            calls.append(options)
            return shutil.copyfile(self.path, self.path.with_suffix(".engine"))

    def opened(card, weights, device):
        return UltralyticsModel(card, source, "cpu")

    monkeypatch.setattr(exporting, "import_ultralytics", lambda: SimpleNamespace(YOLO=Network))
    monkeypatch.setattr(exporting, "check_engine_support", lambda device: None)
    monkeypatch.setattr(exporting, "torch_device", lambda device: "cuda:1")
    monkeypatch.setattr(exporting, "UltralyticsModel", opened)
    monkeypatch.setattr(exporting, "_gpu", lambda device: "NVIDIA A100")
    find, versions = exporting._version, {"tensorrt": "10.9.0"}
    monkeypatch.setattr(exporting, "_version", lambda package: versions.get(package) or find(package))
    return SimpleNamespace(source=source, calls=calls, versions=versions)


def test_an_engine_has_a_card_with_size_precision_and_gpu(fake_tensorrt, images, tmp_path):
    exported = export(fake_tensorrt.source, "tensorrt", half=True, size=128, images=images)
    assert exported.path == tmp_path / "cells.engine"
    (options,) = fake_tensorrt.calls
    asked = {key: options[key] for key in ("format", "imgsz", "device", "quantize", "dynamic")}
    assert asked == {"format": "engine", "imgsz": 128, "device": "1", "quantize": 16, "dynamic": False}
    card = find_model(exported.path).card
    assert (card.backend, card.tile, card.fixed_tile) == ("ultralytics", 128, True)
    assert (card.export.precision, card.export.gpu) == ("fp16", "NVIDIA A100")
    assert "tensorrt 10.9.0" in card.export.made_with
    assert card.export.comparison.worst_iou == 1.0
    assert "for NVIDIA A100" in "\n".join(export_words(card.export))
    with pytest.raises(DeviceError, match="not on the CPU"):
        load_model(exported.path, "cpu")


def test_half_precision_in_tensorrt_11_needs_modelopt(fake_tensorrt, monkeypatch):
    fake_tensorrt.versions["tensorrt"] = "11.0.0"
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "modelopt" else find(name))
    with pytest.raises(MissingDependencyError, match=r"pip install \"nvidia-modelopt\[onnx\]\""):
        export(fake_tensorrt.source, "engine", half=True)


def test_an_engine_gets_one_tile_at_a_time(cells, monkeypatch):
    """Its batch is one, and its outputs lie in memory that the next run overwrites."""
    source = cells()
    card = find_model(source).card
    network = backend._opened(source, "cpu")
    seen = []

    def run(tiles):
        seen.append(len(tiles))
        return network[1](tiles)

    monkeypatch.setattr(backend, "_opened", lambda path, device: (network[0], run, "cpu"))
    model = UltralyticsModel(card, source.with_suffix(".engine"), "cpu")
    assert len(model.predict_instances(np.zeros((3, 3, 64, 64), np.float32))) == 3
    assert seen == [1, 1, 1]
