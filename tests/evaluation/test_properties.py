"""What holds for any two label images."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_cellseg.evaluation.evaluating import evaluate
from napari_cellseg.evaluation.metrics import METRICS

Labels = NDArray[np.int32]
shapes = st.shared(st.tuples(st.integers(1, 9), st.integers(1, 9)), key="shape")
label_images = shapes.flatmap(lambda shape: arrays(np.int32, shape, elements=st.integers(0, 4)))

SHARES = {
    "AP50",
    "AP75",
    "AP50_95",
    "precision",
    "recall",
    "F1",
    "PQ",
    "SQ",
    "DQ",
    "AJI",
    "AJI_plus",
    "boundary_precision",
    "boundary_recall",
    "boundary_F",
    "Dice",
    "IoU",
    "accuracy",
}


@settings(deadline=None, max_examples=150)
@given(label_images, label_images)
def test_values_lie_where_they_must(prediction: Labels, truth: Labels) -> None:
    found = evaluate(prediction, truth).summary
    for name in SHARES:
        assert np.isnan(found[name]) or 0 <= found[name] <= 1, name
    assert found["TP"] + found["FP"] == found["predicted_objects"]
    assert found["TP"] + found["FN"] == found["true_objects"]
    pixels = sum(found[f"pixel_{k}"] for k in ("TP", "FP", "FN", "TN"))
    assert pixels == truth.size
    if found["true_objects"] + found["predicted_objects"]:
        assert found["AP50_95"] <= found["AP50"] + 1e-12
        assert found["PQ"] <= found["F1"] + 1e-12
        assert found["AP50"] <= found["F1"] + 1e-12 <= 2 * found["AP50"] + 2e-12
        assert found["AJI_plus"] <= found["IoU"] + 1e-12


@settings(deadline=None, max_examples=60)
@given(label_images, label_images, st.permutations(range(1, 5)), st.permutations(range(1, 5)))
def test_names_of_objects_do_not_matter(
    prediction: Labels, truth: Labels, first: list[int], second: list[int]
) -> None:
    renamed = np.array([0, *first])[prediction] * 100, np.array([0, *second])[truth]
    one, other = evaluate(prediction, truth).summary, evaluate(*renamed).summary
    for metric in METRICS:
        if metric.name in ("AJI", "AJI_plus"):
            continue
        assert np.isclose(one[metric.name], other[metric.name], equal_nan=True), metric.name


@settings(deadline=None, max_examples=60)
@given(label_images, label_images)
def test_turning_both_changes_nothing(prediction: Labels, truth: Labels) -> None:
    one, other = evaluate(prediction, truth).summary, evaluate(prediction.T, truth.T).summary
    for metric in METRICS:
        assert np.isclose(one[metric.name], other[metric.name], equal_nan=True), metric.name


@settings(deadline=None, max_examples=60)
@given(label_images)
def test_truth_against_itself(truth: Labels) -> None:
    found = evaluate(truth, truth).summary
    for name in SHARES - {"accuracy"}:
        assert np.isnan(found[name]) or found[name] == 1, name
    assert found["Hausdorff"] == found["missed"] == found["invented"] == found["count_error"] == 0
