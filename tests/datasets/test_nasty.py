"""The nasty annotations are as nasty as they say."""

import numpy as np
import pytest
from hypothesis import given, settings

from napari_cellseg.datasets.annotation import Annotation
from napari_cellseg.datasets.names import safe_name

from .nasty import (
    NAMES,
    annotations,
    assert_same_objects,
    many_objects,
    nasty_annotations,
    nasty_samples,
    painted,
    samples,
)


@settings(deadline=None, max_examples=50)
@given(annotations())
def test_an_annotation_is_what_its_masks_make(annotation):
    rebuilt = Annotation.from_masks(annotation.shape, annotation.masks(), annotation.objects)
    assert_same_objects(rebuilt, annotation)


@settings(deadline=None, max_examples=30)
@given(samples())
def test_samples_have_names_and_pixels(sample):
    assert safe_name(sample.name)
    assert sample.pixels().shape[:2] == sample.annotation.shape


def test_the_list_has_what_it_says():
    known = nasty_annotations()
    assert len(known["no objects"]) == 0
    assert len(known["identical"]) == 3
    assert set(known["identical"].covered) == {2, 3}
    assert known["overlap"].covered
    assert len(known["several classes"].class_names()) == 3
    assert known["gaps in the labels"].objects["index"].tolist() == [7, 70_000, 2**31 - 1]
    assert sum(mask.area for mask in known["spiral"].masks()) > 100
    assert len({s.name for s in nasty_samples()}) == len(known) > len(NAMES)


def test_many_objects_are_more_than_16_bits_number():
    assert len(many_objects()) == 70_000


def test_differences_are_seen():
    known = nasty_annotations()
    with pytest.raises(AssertionError):
        assert_same_objects(known["identical"].take([1, 2]), known["identical"])
    with pytest.raises(AssertionError):
        assert_same_objects(known["hole"], known["thin ring"])


def test_a_mask_is_painted_into_its_plane():
    annotation = nasty_annotations()["touching"]
    for mask in annotation.masks():
        np.testing.assert_array_equal(painted(mask, annotation.shape), annotation.labels == mask.index)
