"""A run from request to layer, with the bundled model."""

import json
from dataclasses import replace
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cellseg.events import drain
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.models.registry import find_model
from napari_cellseg.pipeline import segment, segmenting
from napari_cellseg.viewer import segment_run
from napari_cellseg.viewer.choices import SegmentChoices, make_request
from napari_cellseg.viewer.confidence import ConfidenceFilter
from napari_cellseg.viewer.label_layer import METADATA_KEY
from napari_cellseg.viewer.layer_image import read_layer
from napari_cellseg.viewer.run_on import RunOn
from napari_cellseg.viewer.samples import simulated_layers
from napari_cellseg.viewer.segment_run import SegmentRun, is_untouched, result_line, script_of


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    sample = simulate_fluorescence((160, 200), seed=3)
    data, keywords, _ = simulated_layers(sample, "field")[0]
    viewer.add_image(data, **keywords)
    return viewer


def start(viewer: ViewerModel, choices: SegmentChoices | None = None, **options: object) -> SegmentRun:
    layer = viewer.layers[0]
    request = make_request(viewer, layer, read_layer(layer), choices or SegmentChoices(device="cpu"))
    return SegmentRun(viewer, layer, request, **options)


def test_run_to_the_end(viewer: ViewerModel) -> None:
    run = start(viewer)
    slider = run.finish(drain(run.job(), run.receive))
    assert slider is not None
    expected = segment(viewer.layers[0].data, device="cpu")
    np.testing.assert_array_equal(run.layer.data, expected.labels)
    assert len(run.layer.features) == expected.labels.max() + 1 > 3
    assert run.layer.editable
    assert run.layer.scale == pytest.approx((0.5, 0.5))
    assert result_line(slider, 160 * 200).startswith(f"{expected.labels.max()} cells")
    provenance = run.layer.metadata[METADATA_KEY]
    assert json.loads(json.dumps(provenance))["image"]["name"] == "field"
    slider.commit(0.9)
    assert "confidence=0.9" in script_of(slider)
    compile(script_of(slider), "script", "exec")


@pytest.fixture
def stack(viewer: ViewerModel) -> ViewerModel:
    image = viewer.layers[0].data
    viewer.layers.clear()
    viewer.add_image(np.stack([image, image[::-1]]), name="stack")
    return viewer


def test_objects_appear_while_it_runs(stack: ViewerModel) -> None:
    viewer = stack
    run = start(viewer, SegmentChoices(device="cpu", run_on=RunOn.ALL))
    counts = []
    for step in run.job():
        run.receive(step)
        counts.append(len(np.unique(run.layer.data)) - 1 if run.layer in viewer.layers else 0)
    assert counts[0] == 0
    assert any(0 < count < counts[-1] for count in counts)
    assert not run.layer.editable


def finished(viewer: ViewerModel, choices: SegmentChoices) -> tuple[SegmentRun, ConfidenceFilter]:
    run = start(viewer, choices)
    slider = run.finish(drain(run.job(), run.receive))
    assert slider is not None
    return run, slider


def test_the_disagreement_of_an_ensemble_lies_hidden_below_its_labels(
    viewer: ViewerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = find_model("nuclei").card
    card = card.model_copy(update={"maps": (*card.maps, "disagreement")})
    monkeypatch.setattr(segment_run, "find_model", lambda _: SimpleNamespace(card=card))
    asked = []

    def remembering(*args, keep_maps, **options):
        asked.append(keep_maps)
        return segmenting(*args, keep_maps=["distance"] if keep_maps else [], **options)

    monkeypatch.setattr(segment_run, "segmenting", remembering)
    run = start(viewer)
    outcome = drain(run.job(), run.receive)
    doubted = {"disagreement": outcome.result.maps["distance"]}
    active = viewer.layers.selection.active
    run.finish(replace(outcome, result=replace(outcome.result, maps=doubted)))
    added = viewer.layers["field cells disagreement"]
    assert [layer.name for layer in viewer.layers] == ["field", added.name, "field cells"]
    assert not added.visible
    assert viewer.layers.selection.active is active
    assert added.scale == pytest.approx(run.layer.scale)
    assert added.data.shape == run.layer.data.shape
    preview = start(viewer, SegmentChoices(device="cpu", run_on=RunOn.VISIBLE))
    assert drain(preview.job(), preview.receive).result.maps == {}
    assert asked == [["disagreement"], []]


def test_multiscale_and_lazy_images(viewer: ViewerModel) -> None:
    image = viewer.layers[0].data
    viewer.layers.clear()
    levels = [da.from_array(image, chunks=64), da.from_array(image[::2, ::2], chunks=64)]
    viewer.add_image(levels, multiscale=True)
    run, _ = finished(viewer, SegmentChoices(device="cpu"))
    np.testing.assert_array_equal(run.layer.data, segment(image, device="cpu").labels)


def test_channel_between_time_and_space(viewer: ViewerModel) -> None:
    image = viewer.layers[0].data
    viewer.layers.clear()
    stack = np.stack([np.stack([np.zeros_like(image), image])] * 2)
    viewer.add_image(stack, axis_labels=("t", "c", "y", "x"))
    run, slider = finished(viewer, SegmentChoices(device="cpu", channel=1, run_on=RunOn.ALL))
    before = run.layer.data.copy()
    assert before.shape == (2, 1, *image.shape)
    assert (before[0] > 0).tolist() == (before[1] > 0).tolist()
    slider.commit(0.98)
    assert np.count_nonzero(run.layer.data) < np.count_nonzero(before)
    slider.undo()
    np.testing.assert_array_equal(run.layer.data, before)


def test_linked_objects_come_and_go_as_one(viewer: ViewerModel) -> None:
    image = viewer.layers[0].data
    viewer.layers.clear()
    viewer.add_image(np.stack([image] * 3))
    run, slider = finished(viewer, SegmentChoices(device="cpu", run_on=RunOn.ALL, link_z=True))
    before = run.layer.data.copy()
    np.testing.assert_array_equal(before[0], before[2])
    slider.commit(0.9)
    np.testing.assert_array_equal(run.layer.data[0], run.layer.data[2])
    slider.commit(0.5)
    np.testing.assert_array_equal(run.layer.data, before)


def test_cancel_keeps_what_is_done(stack: ViewerModel) -> None:
    run = start(stack, SegmentChoices(device="cpu", run_on=RunOn.ALL))
    job = run.job()
    for step in job:
        run.receive(step)
        if step.payload is not None:
            break
    job.close()
    kept = run.abandon()
    assert kept == len(np.unique(run.layer.data)) - 1 > 0
    assert run.layer.editable
    assert run.layer.features["index"].tolist() == list(range(run.layer.data.max() + 1))


def test_cancel_before_anything_leaves_nothing(viewer: ViewerModel) -> None:
    run = start(viewer)
    assert run.abandon() == 0
    assert len(viewer.layers) == 1


def test_a_layer_removed_in_mid_run(viewer: ViewerModel) -> None:
    run = start(viewer)
    job = run.job()
    for step in job:
        run.receive(step)
        if run.layer in viewer.layers:
            viewer.layers.remove(run.layer)
            break
    assert run.layer_removed
    outcome = drain(job, run.receive)
    assert run.finish(outcome) is None
    assert len(viewer.layers) == 1


def test_a_preview_replaces_an_untouched_one(viewer: ViewerModel) -> None:
    viewer.layers[0].corner_pixels = np.array([[0, 0], [99, 99]])
    choices = SegmentChoices(device="cpu", run_on=RunOn.VISIBLE)
    first = start(viewer, choices)
    slider = first.finish(drain(first.job(), first.receive))
    assert slider is not None
    assert is_untouched(slider)
    second = start(viewer, choices, replace=slider)
    assert second.finish(drain(second.job(), second.receive)) is not None
    assert [layer.name for layer in viewer.layers] == ["field", "field preview"]
    assert slider.closed
