"""Comparing two labels layers, the overlay, and the way to a mistake; without a window."""

import json
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_cellseg.errors import OptionError, OutputError
from napari_cellseg.evaluation.mistakes import Outcome
from napari_cellseg.events import drain
from napari_cellseg.viewer.evaluate_run import (
    EvaluateChoices,
    Evaluation,
    evaluating_layers,
    known_confidences,
    make_request,
    request_sentence,
    save_report,
)
from napari_cellseg.viewer.feature_rows import write_rows
from napari_cellseg.viewer.outcome_layer import error_position, is_overlay, jump_to_error, show_outcomes


def scene() -> tuple[np.ndarray, np.ndarray]:
    """A hit (1), a missed (2), a split (3), two merged (4, 5) objects, and an invented one (9)."""
    truth, prediction = np.zeros((60, 60), np.int32), np.zeros((60, 60), np.int32)
    truth[2:10, 2:10] = 1
    prediction[2:10, 2:10] = 7
    truth[2:10, 20:30] = 2
    truth[20:30, 2:20] = 3
    prediction[20:30, 2:10], prediction[20:30, 11:20] = 1, 2
    truth[40:50, 2:10], truth[40:50, 10:18] = 4, 5
    prediction[40:50, 2:18] = 3
    prediction[40:50, 40:50] = 9
    return prediction, truth


def layers(prediction: object, truth: object, **options: object) -> tuple[Labels, Labels]:
    return Labels(prediction, name="cells", **options), Labels(truth, name="truth", **options)


def run(prediction: Labels, truth: Labels, **choices: object) -> Evaluation:
    return drain(evaluating_layers(make_request(prediction, truth, EvaluateChoices(**choices))))


def test_numbers_and_mistakes_of_a_known_scene() -> None:
    evaluation = run(*layers(*scene()))
    summary = evaluation.report.summary
    assert [summary[k] for k in ("missed", "invented", "split", "merged")] == [1, 1, 1, 1]
    prediction, truth = scene()
    assert evaluation.outcomes[5, 5] == Outcome.HIT
    assert evaluation.outcomes[5, 25] == Outcome.MISSED
    assert evaluation.outcomes[25, 5] == Outcome.SPLIT
    assert evaluation.outcomes[45, 5] == Outcome.MERGED
    assert evaluation.outcomes[45, 45] == Outcome.INVENTED
    np.testing.assert_array_equal(evaluation.outcomes > 0, (prediction > 0) | (truth == 2))


def test_the_sentence_says_what_is_compared() -> None:
    prediction, truth = layers(*(np.stack([labels] * 4) for labels in scene()))
    planes = request_sentence(make_request(prediction, truth, EvaluateChoices()))
    assert "4 planes of 60 × 60 pixels, each plane for itself" in planes
    volume = request_sentence(make_request(prediction, truth, EvaluateChoices(3)))
    assert "as a volume with objects in 3-D" in volume
    assert "differ" not in volume
    truth.translate = (0, 3, 0)
    assert "translation of the two layers differ" in request_sentence(
        make_request(prediction, truth, EvaluateChoices())
    )


def test_what_cannot_be_compared_is_said_in_words() -> None:
    prediction, truth = layers(np.zeros((40, 50), int), np.zeros((3, 40, 50), int))
    with pytest.raises(OptionError, match="'cells' has 50 × 40 pixels and 'truth' has 3 planes of 50 × 40"):
        make_request(prediction, truth, EvaluateChoices())
    with pytest.raises(OptionError, match="same layer"):
        make_request(prediction, prediction, EvaluateChoices())
    with pytest.raises(OptionError, match="stack"):
        make_request(prediction, Labels(np.zeros((40, 50), int)), EvaluateChoices(dimensions=3))


@pytest.mark.parametrize("lazy", [False, True])
def test_outer_axes_of_length_one_are_left_out(lazy: bool) -> None:
    prediction, truth = (np.stack([labels] * 2) for labels in scene())
    wide = prediction[:, None]
    layer, other = layers(da.from_array(wide) if lazy else wide, truth, scale=None)
    evaluation = run(layer, other)
    assert evaluation.outcomes.shape == wide.shape
    row = evaluation.report.errors.query("plane == 1 and kind == 'invented'").iloc[0]
    np.testing.assert_allclose(error_position(evaluation.request, row), (1, 0, 44.5, 44.5))


def test_confidences_come_from_the_table() -> None:
    prediction, truth = layers(*scene())
    table = pd.DataFrame({"index": [1, 2, 3, 7, 12], "confidence": [0.5, 0.4, 0.8, 0.9, 0.1]})
    table["status"] = ["predicted"] * 4 + ["filtered"]
    write_rows(prediction, table)
    assert known_confidences(prediction).keys() == {1, 2, 3, 7, 12}
    evaluation = run(prediction, truth)
    assert evaluation.without_confidence == 1
    assert evaluation.report.summary["predicted_objects"] == 5
    assert 0 < evaluation.report.summary["mAP50"] < 1
    assert "mAP50" not in run(*layers(*scene())).report.summary


def test_later_edits_do_not_reach_a_run() -> None:
    prediction, truth = layers(*scene())
    job = evaluating_layers(make_request(prediction, truth, EvaluateChoices()))
    prediction.data[...] = 0
    assert drain(job).report.summary["predicted_objects"] == 5


def test_distances_in_the_unit_of_the_layer() -> None:
    pair = layers(*scene(), scale=(0.5, 0.5))
    in_pixels = run(*pair).report.summary["Hausdorff"]
    assert run(*pair, in_units=True).report.summary["Hausdorff"] == pytest.approx(in_pixels / 2)


def test_the_overlay_lies_on_the_prediction_and_is_replaced() -> None:
    viewer = ViewerModel()
    prediction, truth = layers(*scene(), scale=(0.5, 0.25), translate=(10, 20), units="um")
    viewer.layers.extend([truth, prediction])
    viewer.layers.selection.active = prediction
    show_outcomes(viewer, run(prediction, truth))
    overlay = show_outcomes(viewer, run(prediction, truth))
    assert [layer for layer in viewer.layers if is_overlay(layer)] == [overlay]
    np.testing.assert_allclose(overlay.extent.world, prediction.extent.world)
    assert overlay.units == prediction.units
    assert viewer.layers.selection.active is prediction
    assert not prediction.visible
    assert not overlay.editable
    np.testing.assert_allclose(overlay.colormap.map(np.uint8(Outcome.MISSED)), (0xD5 / 255, 0x5E / 255, 0, 1))
    assert overlay.features["outcome"].tolist()[Outcome.SPLIT] == "split"


def test_jump_goes_to_the_plane_and_the_place() -> None:
    viewer = ViewerModel()
    prediction, truth = (np.stack([np.zeros((60, 60), np.int32)] * 2 + [labels]) for labels in scene())
    pair = layers(prediction, truth, scale=(3, 0.5, 0.5), translate=(0, 10, 20))
    viewer.layers.extend(pair)
    evaluation = run(*pair)
    errors = evaluation.report.errors.set_index("kind", drop=False)
    jump_to_error(viewer, evaluation.request, errors.loc["invented"])
    assert viewer.dims.point[0] == 6
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], (10 + 44.5 / 2, 20 + 44.5 / 2))
    assert viewer.layers.selection.active is pair[0]
    assert pair[0].selected_label == 9
    jump_to_error(viewer, evaluation.request, errors.loc["missed"])
    assert viewer.layers.selection.active is pair[1]
    assert pair[1].selected_label == 2
    viewer.layers.remove(pair[1])
    jump_to_error(viewer, evaluation.request, errors.loc["missed"])


def test_jump_in_volumes_and_where_the_viewer_has_more_dimensions() -> None:
    viewer = ViewerModel()
    prediction, truth = (np.stack([labels] * 5) for labels in scene())
    pair = layers(prediction, truth, scale=(2, 1, 1))
    viewer.layers.extend([*pair, Labels(np.zeros((2, 3, 60, 60), int))])
    evaluation = run(*pair, dimensions=3)
    row = evaluation.report.errors.query("kind == 'missed'").iloc[0]
    jump_to_error(viewer, evaluation.request, row)
    assert viewer.dims.point[1] == 4
    viewer.dims.ndisplay = 3
    jump_to_error(viewer, evaluation.request, row)
    np.testing.assert_allclose(viewer.scene.camera.center, (4, 5.5, 24.5))


def test_reports_are_saved_by_suffix(tmp_path: Path) -> None:
    report = run(*layers(*scene())).report
    assert save_report(report, tmp_path / "a.html", "cells against truth") == [tmp_path / "a.html"]
    assert "cells against truth" in (tmp_path / "a.html").read_text(encoding="utf-8")
    save_report(report, tmp_path / "a.json", "")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["summary"]["missed"] == 1
    images, errors = save_report(report, tmp_path / "a.csv", "")
    assert len(pd.read_csv(images)) == 1
    assert len(pd.read_csv(errors)) == 4
    with pytest.raises(OutputError, match=r"\.html, \.json, \.csv"):
        save_report(report, tmp_path / "a.docx", "")
