"""Clicks that grow objects: from the model of the labels, from another one, from the intensity."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Labels

from napari_cellseg.errors import LabelsError
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.pipeline import segment
from napari_cellseg.pipeline.clicking import Grown, MapGrower
from napari_cellseg.viewer import click_growing
from napari_cellseg.viewer.correcting import Correction
from napari_cellseg.viewer.grow_from import (
    INTENSITY,
    OWN,
    grow_from_file,
    load_grow_from,
    save_grow_from,
)
from napari_cellseg.viewer.label_layer import METADATA_KEY


@pytest.fixture(scope="module")
def field():
    """A field of nuclei, and what the bundled model finds in it."""
    simulated = simulate_fluorescence((200, 240), objects=14, touching=0.0, seed=5)
    return SimpleNamespace(image=simulated.image, result=segment(simulated.image, "nuclei", device="cpu"))


@pytest.fixture
def corrected(viewer, field, monkeypatch):
    """Makes the correction of labels, with or without the provenance of the model."""
    monkeypatch.setattr(click_growing, "PATIENCE", 60.0)
    made = []

    def make(*, known: bool, image=None, labels=None) -> Correction:
        shown = viewer.add_image(field.image if image is None else image, name="field")
        data = field.result.labels.copy() if labels is None else labels
        provenance = {**field.result.provenance}
        provenance["image"] = {**provenance["image"], "name": "field"}
        layer = Labels(data, metadata={METADATA_KEY: provenance} if known else {})
        viewer.add_layer(layer)
        made.append(Correction(viewer, layer, shown))
        return made[-1]

    yield make
    for correction in made:
        correction.close()


def middle_of(labels, label):
    places = np.argwhere(labels == label)
    return places[np.linalg.norm(places - places.mean(axis=0), axis=1).argmin()]


def agreement(a, b):
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


def row(correction, label):
    return correction.editor.rows.read([label]).iloc[0]


def test_the_model_of_the_labels_brings_a_deleted_object_back(corrected) -> None:
    correction = corrected(known=True)
    layer = correction.layer
    label = int(correction.editor.index.labels()[3])
    before = layer.data == label
    point = middle_of(layer.data, label)
    correction.delete([label])
    without, table = layer.data.copy(), correction.editor.rows.frame.copy()
    words = correction.add_at(point)
    added = correction.selected
    assert "Grown with the model 'nuclei'" in words
    assert agreement(layer.data == added, before) > 0.9
    assert row(correction, added)[["status", "origin", "class"]].tolist() == [
        "added",
        f"model:nuclei@{layer.metadata[METADATA_KEY]['model']['version']}",
        "nucleus",
    ]
    grown = layer.data.copy()
    correction.editor.undo()
    np.testing.assert_array_equal(layer.data, without)
    assert len(correction.editor.undo_names) == 1
    assert correction.editor.rows.frame["status"].tolist()[: len(table)] == table["status"].tolist()
    correction.editor.redo()
    np.testing.assert_array_equal(layer.data, grown)


def test_labels_of_unknown_origin_grow_from_the_intensity(corrected) -> None:
    correction = corrected(known=False)
    assert correction.growing.model is None
    label = int(correction.editor.index.labels()[2])
    point = middle_of(correction.layer.data, label)
    correction.delete([label])
    assert correction.add_at(point).endswith("Grown from intensity.")
    assert row(correction, correction.selected)["origin"] == "person"


@pytest.mark.parametrize("few", [False, True])
def test_another_model_takes_the_size_of_the_objects_or_measures_it(corrected, few) -> None:
    correction = corrected(known=False)
    labels = correction.editor.index.labels().tolist()
    label, truth = labels[1], correction.layer.data.copy()
    correction.delete(labels if few else [label])
    correction.growing.choose("nuclei")
    assert "nuclei" in correction.add_at(middle_of(truth, label))
    assert agreement(correction.layer.data == correction.selected, truth == label) > 0.8


def test_where_the_model_sees_nothing_the_intensity_is_asked(corrected, monkeypatch) -> None:
    correction = corrected(known=True)
    label = int(correction.editor.index.labels()[0])
    point = middle_of(correction.layer.data, label)
    correction.delete([label])
    monkeypatch.setattr(MapGrower, "grow", lambda *args: None)
    assert "Grown from intensity: the model sees nothing here." in correction.add_at(point)
    correction.editor.undo()
    correction.image_layer.data = np.full_like(correction.image_layer.data, 7)
    with pytest.raises(LabelsError, match="the model sees nothing here"):
        correction.add_at(point)


@pytest.mark.parametrize("choice", [OWN, "nuclei"])
def test_of_model_and_intensity_the_usual_size_decides(corrected, monkeypatch, choice) -> None:
    correction = corrected(known=True)
    label = int(correction.editor.index.labels()[2])
    before = correction.layer.data == label
    point = middle_of(correction.layer.data, label)
    correction.delete([label])
    correction.growing.choice = choice
    speck = Grown(np.ones((4, 4), bool), tuple(int(p) - 2 for p in point), 0.1)
    monkeypatch.setattr(MapGrower, "grow", lambda *args: speck)
    words = correction.add_at(point)
    grown = correction.layer.data == correction.selected
    if choice == OWN:
        assert "closer to the usual size" in words
        assert agreement(grown, before) > 0.6
    else:
        assert "Grown with the model" in words
        assert np.count_nonzero(grown) == 16


def test_a_model_that_is_gone_is_named(corrected) -> None:
    correction = corrected(known=True)
    label = int(correction.editor.index.labels()[0])
    point = middle_of(correction.layer.data, label)
    correction.delete([label])
    correction.growing.choice = "gone"
    words = correction.add_at(point)
    assert "Grown from intensity" in words
    assert "'gone'" in words
    assert ("gone (not found)", "gone") in correction.growing.choices()


def test_a_click_does_not_wait_long_for_a_model(corrected, monkeypatch) -> None:
    correction = corrected(known=True)
    label = int(correction.editor.index.labels()[0])
    point = middle_of(correction.layer.data, label)
    correction.delete([label])
    correction.growing.choice = "nuclei"
    may_go_on, prepare = threading.Event(), MapGrower.prepare

    def slow(grower, plane):
        assert may_go_on.wait(60)
        prepare(grower, plane)

    monkeypatch.setattr(MapGrower, "prepare", slow)
    monkeypatch.setattr(click_growing, "PATIENCE", 0.01)
    with pytest.raises(LabelsError, match="again in a moment"):
        correction.add_at(point)
    may_go_on.set()
    monkeypatch.setattr(click_growing, "PATIENCE", 60.0)
    assert "nuclei" in correction.add_at(point)


@pytest.mark.parametrize("axis", ["t", "channel"])
def test_the_shown_plane_and_channel_are_looked_at(corrected, viewer, field, axis) -> None:
    noise = np.random.default_rng(0).normal(100, 5, field.image.shape)
    stack = np.stack([noise, field.image.astype(float), noise])
    whole = axis == "channel"
    labels = np.zeros(field.image.shape if whole else stack.shape, np.int32)
    correction = corrected(known=False, image=stack, labels=labels)
    correction.image_layer.axis_labels = (axis, "y", "x")
    correction.growing.choice = "nuclei"
    viewer.dims.set_point(0, 1)
    label = int(field.result.features["index"].iloc[0])
    point = middle_of(field.result.labels, label)
    assert "nuclei" in correction.add_at(point if whole else (1, *point))
    shown = correction.layer.data if whole else correction.layer.data[1]
    assert agreement(shown > 0, field.result.labels == label) > 0.8
    assert whole or not correction.layer.data[[0, 2]].any()


def test_clicks_that_cannot_grow_anything(corrected, field) -> None:
    correction = corrected(known=True)
    label = int(correction.editor.index.labels()[0])
    with pytest.raises(LabelsError, match="already"):
        correction.add_at(middle_of(correction.layer.data, label))
    with pytest.raises(LabelsError, match="on the image"):
        correction.add_at((-9, 5))
    correction.image_layer.data = field.image[:100]
    with pytest.raises(LabelsError, match="another size"):
        correction.add_at((5, 5))
    correction.image_layer = None
    with pytest.raises(LabelsError, match="image is needed"):
        correction.add_at((5, 5))
    assert correction.editor.undo_names == ()


def test_what_clicks_grow_from_is_remembered(corrected) -> None:
    growing = corrected(known=True).growing
    assert growing.choice == OWN
    assert growing.choices()[0] == ("Automatic: nuclei", OWN)
    assert {choice for _, choice in growing.choices()} >= {OWN, INTENSITY, "nuclei", "phase"}
    growing.choose(INTENSITY)
    assert growing.model is None
    assert load_grow_from() == (INTENSITY, "")
    assert corrected(known=False).growing.choice == INTENSITY


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"grow_from": 3}', '{"grow_from": ""}'])
def test_broken_settings_do_no_harm(text, corrected) -> None:
    save_grow_from(INTENSITY)
    grow_from_file().write_text(text)
    choice, words = load_grow_from()
    assert choice == OWN
    assert str(grow_from_file()) in words
    assert words in corrected(known=True).prepare_growing()
