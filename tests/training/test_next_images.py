"""Which image next: the doubtful and the new first, no twins in a row, what cannot be read last."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cellseg.datasets.annotation import Annotation
from napari_cellseg.datasets.sample import Origin, Sample
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.datasets.twins import signature
from napari_cellseg.images.simulation.fluorescence import simulate_fluorescence
from napari_cellseg.training.image_order import Look, in_order
from napari_cellseg.training.image_statistics import STATISTICS, describe_image, distances, unlike_words
from napari_cellseg.training.next_images import rank_images


def look(name: str, *confidence: float, weaker: tuple[float, ...] = (), **more: object) -> Look:
    values = {"description": np.zeros(len(STATISTICS)), **more}
    return Look(name, 0, np.array(confidence, float), np.array(weaker, float), **values)  # type: ignore[arg-type]


def test_images_with_more_doubtful_objects_come_first() -> None:
    table = in_order([look("sure", *[0.98] * 20), look("half", *[0.5] * 20), look("some", *[0.8] * 20)])
    assert table["image"].tolist() == ["half", "some", "sure"]
    assert table["score"].is_monotonic_decreasing
    assert table["wrong"].tolist() == pytest.approx([10, 4, 0.4])
    assert table["reasons"][0] == "about 15 objects are probably wrong or missing, 20 were found"
    assert (table["distance"].isna() & table["disagreement"].isna()).all()


def test_weaker_objects_are_partly_missed_ones() -> None:
    table = in_order([look("all", *[0.9] * 20), look("more", *[0.9] * 20, weaker=(0.4,) * 20)])
    assert table["image"].tolist() == ["more", "all"]


def test_an_image_without_objects_is_as_doubtful_as_the_others() -> None:
    table = in_order([look("sure", *[0.99] * 20), look("empty"), look("half", *[0.5] * 20)])
    assert table["image"].tolist() == ["half", "empty", "sure"]
    assert table["reasons"][1] == "nothing was found"
    assert in_order([look("empty")])["score"].tolist() == [0]
    assert in_order([]).empty


def test_disagreement_and_distance_raise_the_score() -> None:
    known = np.zeros((3, len(STATISTICS)))
    strange = np.zeros(len(STATISTICS))
    strange[-2:] = 2.0
    looks = [
        look("usual", *[0.8] * 20),
        look("strange", *[0.8] * 20, description=strange),
        look("disputed", *[0.8] * 20, disagreement=0.6),
    ]
    table = in_order(looks, known).set_index("image")
    assert table.index.tolist() == ["disputed", "strange", "usual"]
    assert "the networks disagree (0.60)" in table.loc["disputed", "reasons"]
    assert table.loc["strange", "reasons"].endswith("more of it covered by objects, larger objects")
    assert table.loc["usual", "distance"] == 0


def test_near_duplicates_do_not_follow_each_other() -> None:
    scenes = [simulate_fluorescence((128, 128), seed=seed).image for seed in (1, 1, 2)]
    marks = [signature(image) for image in scenes]
    others = np.arange(3.0)[:, None] * np.ones(len(STATISTICS)) * [[0], [0], [9]]
    looks = [
        look(name, *[c] * 20, signature=mark, description=of)
        for name, c, mark, of in zip(
            ("worst", "its twin", "other"), (0.5, 0.55, 0.8), marks, others, strict=True
        )
    ]
    table = in_order(looks)
    assert table["image"].tolist() == ["worst", "other", "its twin"]
    assert table["like"].tolist() == ["", "", "worst"]
    assert table["reasons"][2].endswith("nearly the same as worst")
    known = in_order(looks, signatures={"old": marks[2]})
    assert known.set_index("image").loc["other", "like"] == "old"


def test_what_the_dataset_has_comes_last_and_what_cannot_be_read_after_it() -> None:
    looks = [Look("broken", failure="It is broken."), look("had", 0.5, is_known=True), look("new", 0.9)]
    table = in_order(looks)
    assert table["image"].tolist() == ["new", "had", "broken"]
    assert table["reasons"].tolist()[1:] == ["the dataset has it already", "It is broken."]
    assert table["score"].isna().tolist() == [False, False, True]


def test_descriptions_tell_scenes_apart_but_not_their_exposure() -> None:
    small, large = (
        simulate_fluorescence((192, 192), seed=3, diameter=(size, size * 1.2)).image for size in (10, 30)
    )
    brighter = (small.astype(float) * 0.5 + 100).astype(np.uint16)
    sizes = np.array([10.0]), np.array([10.0]), np.array([30.0])
    pictures = zip((small, brighter, large), sizes, strict=True)
    one, same, other = (describe_image(image, size, 0.3) for image, size in pictures)
    far = distances(np.stack([same, other]), one[None])
    assert far[0] < 0.2
    assert far[1] > 1
    assert "larger objects" in unlike_words(other, one[None])


def test_files_of_a_folder_are_ranked(tmp_path: Path) -> None:
    for seed in range(2):
        image = simulate_fluorescence((128, 128), seed=seed).image
        tifffile.imwrite(tmp_path / f"a{seed}.tif", image)
    (tmp_path / "broken.tif").write_bytes(b"no image")
    table = rank_images(tmp_path, device="cpu")
    assert len(table) == 3
    assert table["image"].iloc[-1].endswith("broken.tif")
    assert np.isnan(table["score"].iloc[-1])
    assert (table["objects"].iloc[:2] > 0).all()


def test_planes_that_the_dataset_has_are_not_asked_for_again(tmp_path: Path) -> None:
    scenes = [simulate_fluorescence((96, 96), seed=seed) for seed in range(3)]
    stack = np.stack([scene.image for scene in scenes])
    path = tmp_path / "film.tif"
    tifffile.imwrite(path, stack, metadata={"axes": "TYX"}, imagej=True)
    data = Dataset.create(tmp_path / "data")
    for plane in (0, 2):
        origin = Origin(source=str(path), position={"t": plane})
        annotation = Annotation.from_labels(scenes[plane].labels)
        data.add_sample(Sample(f"film_t{plane}", annotation, lambda k=plane: stack[k] + 1, origin))
    table = rank_images(path, "nuclei", data, device="cpu")
    assert table["plane"].tolist() == [1]
    assert "has it already" not in table["reasons"][0]
    origin = Origin(source=str(path), position={"t": 1})
    data.add_sample(Sample("film_t1", Annotation.from_labels(scenes[1].labels), lambda: stack[1] + 1, origin))
    assert rank_images(path, "nuclei", data, device="cpu")["reasons"].tolist() == [
        "the dataset has it already"
    ]
