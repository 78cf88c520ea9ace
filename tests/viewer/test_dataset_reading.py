"""What napari opens by our readers: datasets and COCO files, and nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Layer
from npe2 import PluginManager, PluginManifest

import napari_cellseg
from napari_cellseg.datasets.annotation import Annotation, object_table
from napari_cellseg.datasets.sample import Origin, Sample
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import CellSegWarning, DatasetError
from napari_cellseg.viewer.correcting import Correction
from napari_cellseg.viewer.dataset_reading import get_dataset_reader, stack_layers
from napari_cellseg.viewer.reading import LayerData


def sample(name: str, shape: tuple[int, ...] = (20, 30), objects: int = 2, **options: object) -> Sample:
    labels = np.zeros(shape[:2], np.int32)
    for number in range(objects):
        labels[2:8, 2 + 8 * number : 8 + 8 * number] = number + 1
    table = object_table(range(1, objects + 1), status="edited", confidence=0.5, classes="nucleus")
    pixels = np.full(shape, sum(map(ord, name)), np.uint16)
    pixels[0, : len(name)] = [ord(letter) for letter in name] * (pixels.ndim == 2) or 7
    return Sample(name, Annotation.from_labels(labels, table), lambda: pixels, **options)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    made = Dataset.create(tmp_path / "nuclei", ["nucleus"])
    for name in ("a", "b", "c"):
        made.add_sample(sample(name, origin=Origin(pixel_size=0.5)))
    return made


def layers_of(path: Path) -> list[Layer]:
    reader = get_dataset_reader(str(path))
    assert reader is not None
    return [Layer.create(*data) for data in reader(str(path))]


@pytest.mark.parametrize("name", ["", "dataset.json", "dataset.yaml"])
def test_a_dataset_of_images_of_one_size_is_a_stack(dataset: Dataset, name: str) -> None:
    image, labels = layers_of(dataset.folder / name)
    assert image.data.shape == labels.data.shape == (3, 20, 30)
    assert image.data.dtype == np.uint16
    assert (np.asarray(image.data[1]) == dataset.sample("b").pixels()).all()
    assert labels.scale.tolist() == image.scale.tolist() == [1.0, 0.5, 0.5]
    assert [np.unique(plane)[1:].tolist() for plane in labels.data] == [[1, 2], [3, 4], [5, 6]]
    row = labels.features.iloc[3]
    assert (row["index"], row["image"], row["class"], row["status"]) == (3, "b", "nucleus", "edited")


def test_one_image_is_ready_to_be_corrected(viewer, tmp_path: Path) -> None:
    made = Dataset.create(tmp_path / "one")
    made.add_sample(sample("fov"))
    image, labels = (viewer.add_layer(layer) for layer in layers_of(made.folder))
    assert (image.name, labels.name, labels.ndim) == ("fov", "fov labels", 2)
    correction = Correction(viewer, labels, image)
    assert correction.describe(1) == "Object 1: nucleus, edited, 36 px, confidence 0.50"
    correction.close()


def test_channels_and_colours(tmp_path: Path) -> None:
    made = Dataset.create(tmp_path / "channels")
    for name in ("a", "b"):
        made.add_sample(sample(name, (20, 30, 2)))
    image, labels = layers_of(made.folder)
    assert image.data.shape == (2, 2, 20, 30)
    assert tuple(image.axis_labels) == ("t", "c", "y", "x")
    assert labels.data.shape == (2, 20, 30)


def test_images_of_different_sizes_open_the_first_and_say_so(dataset: Dataset) -> None:
    dataset.add_sample(sample("d", (10, 40)))
    with pytest.warns(CellSegWarning, match="only 'a' was opened"):
        image, labels = layers_of(dataset.folder)
    assert image.data.shape == labels.data.shape == (20, 30)


def test_a_dataset_without_images_is_explained(tmp_path: Path) -> None:
    made = Dataset.create(tmp_path / "empty")
    with pytest.raises(DatasetError, match="no annotated images in 'empty'"):
        layers_of(made.folder)


def test_a_coco_file_with_and_without_its_images(dataset: Dataset, tmp_path: Path) -> None:
    dataset.export("coco", tmp_path / "coco")
    file = next((tmp_path / "coco").rglob("instances_train.json"))
    image, labels = layers_of(file)
    assert image.data.shape == labels.data.shape
    assert (labels.features["class"][1:] == "nucleus").all()
    for picture in (tmp_path / "coco").rglob("*.png"):
        picture.unlink()
    layers = layers_of_quietly(file)
    assert [layer.name for layer in layers] == [f"{file.stem} labels"]


def layers_of_quietly(path: Path) -> list[Layer]:
    with pytest.warns(CellSegWarning):
        return layers_of(path)


def test_sparse_labels_keep_their_status() -> None:
    labels = np.zeros((20, 30), np.int32)
    labels[2:5, 2:5] = 10**7
    one = Sample("s", Annotation.from_labels(labels, object_table([10**7], status="added")))
    data: list[LayerData] = stack_layers(iter([one]), "s")[0]
    assert data[0][1]["features"]["status"].tolist() == ["", "added"]


def test_other_files_and_folders_are_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "settings.json").write_text(json.dumps({"a": 1}))
    (tmp_path / "broken.json").write_text("{")
    for name in ("plain", "settings.json", "broken.json", "missing.json", "dataset.json", "dataset.yaml"):
        assert get_dataset_reader(str(tmp_path / name)) is None
    assert get_dataset_reader([str(tmp_path / "settings.json")]) is None


@pytest.fixture
def plugins() -> Iterator[PluginManager]:
    """napari's own plugin and this one, as napari knows them."""
    manager = PluginManager()
    for path in (Path(napari_cellseg.__file__).parent / "napari.yaml", _builtins()):
        manager.register(PluginManifest.from_file(path))
    return manager


def _builtins() -> Path:
    import napari_builtins

    return Path(napari_builtins.__file__).parent / "builtins.yaml"


@pytest.mark.parametrize(
    "name, expected",
    [
        ("cells.tif", {"napari"}),
        ("cells.zarr", {"napari"}),
        ("dataset.json", {"napari-cellseg"}),
        ("dataset.yaml", {"napari-cellseg"}),
        ("instances.json", {"napari-cellseg"}),
        ("other.yaml", set()),
    ],
)
def test_napari_never_has_to_ask_which_reader(plugins, tmp_path: Path, name: str, expected: set[str]) -> None:
    found = {reader.plugin_name for reader in plugins.iter_compatible_readers([str(tmp_path / name)])}
    assert found == expected


def test_folders_stay_with_naparis_own_reader(plugins: PluginManager, tmp_path: Path) -> None:
    """With two readers for folders napari would ask which one to use at each folder or zarr dropped."""
    found = [reader.plugin_name for reader in plugins.iter_compatible_readers([str(tmp_path)])]
    assert found == ["napari"]
