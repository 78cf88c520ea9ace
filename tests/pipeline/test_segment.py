"""What segment() promises about images, ids, candidates, outputs and odd input."""

import json
import warnings

import dask.array as da
import numpy as np
import pytest
import zarr

from napari_cellseg.errors import AxesError, CellSegWarning, ImageError, ModelError, OptionError, OutputError
from napari_cellseg.events import Progress
from napari_cellseg.labels.rasterising import paint_instances
from napari_cellseg.pipeline import FinishedRegion, Segmentation, segment, segmenting


@pytest.fixture
def field(kit):
    """A plane of objects with a gap between them: true labels and image."""
    labels = kit.draw_objects((180, 210), gap=3, seed=2)
    return labels, kit.as_image(labels)


@pytest.fixture
def oracle(kit):
    return kit.PixelOracle(spoilt=0)


class Doubting:
    """A pixel oracle whose objects have foregrounds, and so confidences, of very different height."""

    def __init__(self, kit):
        self._oracle = kit.PixelOracle(spoilt=0)
        self.card, self.device = self._oracle.card, "cpu"

    def predict_maps(self, tiles):
        maps = self._oracle.predict_maps(tiles)
        maps[:, 0] *= np.where(tiles[:, 0] > 0.5, 0.25 + 0.75 * (np.round(tiles[:, 0] * 1000) % 5) / 4, 0)
        return maps


def check_ids(found: Segmentation) -> None:
    """Ids without gaps, a row per label, candidates numbered on."""
    kept = len(found.features)
    assert found.features["index"].tolist() == list(range(1, kept + 1))
    assert np.array_equal(np.unique(found.labels[found.labels > 0]), np.arange(1, kept + 1))
    weak = sorted(set(found.candidates.ids.tolist()))
    assert weak == list(range(kept + 1, kept + 1 + len(weak)))


def test_a_plane(kit, field, oracle):
    truth, image = field
    found = segment(image, oracle)
    assert found.labels.dtype == np.int32
    assert found.labels.shape == truth.shape
    assert kit.matched_share(found.labels, truth) == 1
    check_ids(found)
    assert list(found.features.columns) == ["index", "confidence", "class"]
    assert set(found.features["class"]) == {"cell"}
    assert found.features["confidence"].between(0.5, 1).all()


@pytest.mark.parametrize(
    "dtype", ["uint8", "uint16", "int16", ">u2", "uint32", "int64", "float32", "float64", "bool"]
)
def test_any_number_type_gives_the_same_labels(field, kit, dtype):
    truth, _ = field
    image = ((truth > 0) * (1 if dtype == "bool" else 200)).astype(dtype)
    model = kit.PixelOracle(exact=False, spoilt=0)
    found = segment(image, model)
    assert np.array_equal(found.labels, segment(image.astype(float), model).labels)
    assert np.array_equal(found.labels > 0, truth > 0)


def test_same_input_same_labels(field, kit):
    _, image = field
    first, second = (segment(image, Doubting(kit), tile=96) for _ in range(2))
    assert np.array_equal(first.labels, second.labels)
    assert first.features.equals(second.features)
    assert np.array_equal(first.candidates.instances.scores, second.candidates.instances.scores)


def test_lowering_the_confidence_adds_the_candidates(kit, field):
    _, image = field
    strict, lax = (segment(image, Doubting(kit), confidence=c) for c in (0.75, 0.4))
    check_ids(strict)
    scores = strict.candidates.instances.scores
    assert np.all(np.diff(scores) <= 0)
    assert np.all(scores < 0.75)
    assert 0 < len(strict.features) < len(lax.features)
    refiltered = strict.labels.copy()
    chosen = scores >= np.float32(0.4)
    paint_instances(refiltered, strict.candidates.instances.take(chosen), strict.candidates.ids[chosen])
    assert kit.matched_share(refiltered, lax.labels, iou=1.0) == 1


def test_zstack_and_timelapse_have_unique_labels_and_places(kit, field, oracle):
    truth, image = field
    stack = np.stack([image, image[:, ::-1], image[::-1]] * 2).reshape(2, 3, *image.shape)
    found = segment(stack, oracle, axes="TZYX")
    assert found.labels.shape == stack.shape
    check_ids(found)
    for row in found.features.iloc[::13].itertuples():
        assert np.any(found.labels[row.t, row.z] == row.index)
        assert set(np.argwhere(found.labels == row.index)[:, 1]) == {row.z}
    assert len(found.features) == 6 * truth.max()


def test_chosen_planes_only(field, oracle):
    _, image = field
    found = segment(np.stack([image] * 4), oracle, planes=[2, 1])
    assert set(found.features["z"]) == {1, 2}
    assert not found.labels[[0, 3]].any()
    with pytest.raises(OptionError, match="from 0 to 3"):
        segment(np.stack([image] * 4), oracle, planes=[4])


def test_rgb_and_channels(kit, field):
    truth, _ = field
    model = kit.PixelOracle(exact=False, spoilt=0)
    grey = (200 * (truth > 0)).astype(np.uint8)
    colour = np.stack([grey, grey, grey, np.full_like(grey, 255)], axis=-1)
    assert np.array_equal(segment(colour, model).labels > 0, truth > 0)
    channels = np.stack([np.random.default_rng(0).integers(0, 9, grey.shape), grey])
    assert np.array_equal(segment(channels, model, axes="CYX", channel=1).labels > 0, truth > 0)
    assert np.array_equal(segment(channels, model, axes="CYX", channel="max").labels > 0, truth > 0)


def test_a_network_with_three_channels_gets_grey_three_times(field, kit):
    _, image = field
    model = kit.PixelOracle(spoilt=0, channels=3)
    assert len(segment(image, model).features)
    assert {s[1] for s in model.shapes} == {3}


def test_lazy_images_and_outputs(field, oracle, tmp_path):
    _, image = field
    expected = segment(image, oracle, tile=96).labels
    store = zarr.create_array(store={}, shape=image.shape, chunks=(64, 64), dtype=image.dtype)
    store[:] = image
    out = np.full(image.shape, 5, np.int32)
    assert segment(da.from_array(image, chunks=50), oracle, tile=96, out=out).labels is out
    assert np.array_equal(out, expected)
    target = zarr.create_array(store={}, shape=image.shape, chunks=(64, 64), dtype="int32", fill_value=0)
    target[:] = 3
    assert segment(store, oracle, tile=96, out=target).labels is target
    assert np.array_equal(target[:], expected)
    path = tmp_path / "labels.zarr"
    segment(image, oracle, tile=96, out=path)
    assert np.array_equal(zarr.open_array(path)[:], expected)
    assert zarr.open_array(path).dtype == np.int32
    with pytest.raises(OutputError, match="exists already"):
        segment(image, oracle, out=path)


@pytest.mark.parametrize("out", [np.zeros((3, 3), np.int32), np.zeros((180, 210), np.int64), "labels.tif", 5])
def test_an_output_that_does_not_fit_is_refused(field, oracle, out):
    with pytest.raises(OptionError, match="out must be"):
        segment(field[1], oracle, out=out)


@pytest.mark.parametrize("region", [(slice(40, 120), slice(60, 150)), (slice(0, 70), slice(150, 210))])
def test_a_region_equals_that_part_of_the_whole(kit, field, oracle, region):
    _, image = field
    whole, part = segment(image, oracle, tile=96), segment(image, oracle, tile=96, region=region)
    inside = np.unique(whole.labels[region])
    found = np.unique(part.labels[part.labels > 0])
    for label in found:
        pixels = part.labels == label
        twin = np.unique(whole.labels[pixels])
        assert len(twin) == 1
        assert np.array_equal(whole.labels == twin[0], pixels)
    centre = [
        i
        for i in inside[inside > 0]
        if np.all(
            [
                r.start <= np.argwhere(whole.labels == i)[:, axis].mean() < r.stop
                for axis, r in enumerate(region)
            ]
        )
    ]
    assert abs(len(found) - len(centre)) <= 2
    assert part.provenance["intensities"] == whole.provenance["intensities"]


def test_a_region_outside_of_the_plane_is_refused(field, oracle):
    with pytest.raises(OptionError, match="region must hold pixels"):
        segment(field[1], oracle, region=(slice(500, 600), slice(0, 10)))


def test_stream_of_regions_adds_up_to_the_labels(field, oracle):
    _, image = field
    seen: list[Progress] = []
    found = segment(np.stack([image, image]), oracle, tile=96, progress=seen.append)
    shown = np.zeros_like(found.labels)
    for step in seen:
        if isinstance(step.payload, FinishedRegion):
            region = step.payload
            np.copyto(shown[(*region.index, region.y, region.x)], region.labels, where=region.labels > 0)
    assert np.array_equal(shown, found.labels)
    tiles = [s for s in seen if s.stage == "Segmenting"]
    assert tiles[-1].done == tiles[-1].total
    assert all(a.done <= b.done for a, b in zip(tiles[:-1], tiles[1:], strict=True))


def test_closing_the_job_leaves_only_whole_objects(field, oracle):
    _, image = field
    stack = np.stack([image] * 3)
    whole = segment(stack, oracle, tile=96).labels
    out = np.zeros(stack.shape, np.int32)
    job = segmenting(stack, oracle, tile=96, out=out)
    for step in job:
        if step.payload is not None and step.payload.plane == 1:
            break
    job.close()
    assert out[1].any()
    assert not out[2].any()
    assert np.array_equal(out[:2], np.where(np.isin(whole[:2], np.unique(out)), whole[:2], 0))


def test_not_a_number_is_counted_and_read_as_background(kit, field, oracle):
    truth, image = field
    image = image.copy()
    image[5:8, 5:9], image[0, 0] = np.nan, np.inf
    with pytest.warns(CellSegWarning, match="13 pixel values are NaN"):
        found = segment(image, oracle)
    assert kit.matched_share(found.labels, truth) > 0.9
    assert found.provenance["intensities"][0]["nonfinite"] == 13


def test_planes_without_numbers_or_contrast_stay_empty_and_are_named(field, oracle):
    _, image = field
    stack = np.stack([image, np.full_like(image, np.nan), image, np.full_like(image, 4)])
    with pytest.warns(CellSegWarning) as caught:
        found = segment(stack, oracle)
    texts = [str(w.message) for w in caught]
    assert any("Plane 1 has only NaN" in t for t in texts)
    assert any("Plane 3 has one intensity" in t for t in texts)
    assert found.labels[0].any()
    assert found.labels[2].any()
    assert not found.labels[[1, 3]].any()
    assert found.provenance["warnings"] == texts


def test_planes_are_named_in_their_order(oracle):
    with pytest.warns(CellSegWarning, match=r"3 planes \(0, 1, 2\) have one intensity"):
        segment(np.full((3, 20, 20), 7, np.uint16), oracle, diameter="auto")


@pytest.mark.parametrize("image", [np.full((30, 30), np.nan), np.full((2, 9, 9), np.inf), np.zeros((0, 5))])
def test_nothing_to_see_is_an_error(oracle, image):
    with pytest.raises(ImageError):
        segment(image, oracle)


@pytest.mark.parametrize("shape", [(1, 1), (64, 80), (1, 500)])
@pytest.mark.parametrize("diameter", [None, "auto"])
def test_constant_and_tiny_images_are_empty_with_a_reason(oracle, shape, diameter):
    with pytest.warns(CellSegWarning, match="one intensity only"):
        found = segment(np.full(shape, 7, np.uint16), oracle, diameter=diameter)
    assert found.labels.dtype == np.int32
    assert found.labels.shape == shape
    assert not found.labels.any()
    assert len(found.features) == len(found.candidates) == 0
    assert found.features["index"].dtype == np.int32
    assert found.features["confidence"].dtype == np.float32


def test_nothing_found_is_said_with_a_likely_reason(kit, field):
    _, image = field
    with pytest.warns(CellSegWarning, match="No object reaches the confidence 1.00"):
        found = segment(image, Doubting(kit), confidence=1.0)
    assert len(found.candidates)
    blank = kit.PixelOracle(exact=False, spoilt=0)
    blank.predict_maps = lambda tiles: np.zeros((len(tiles), 4, *tiles.shape[2:]), np.float32)
    with pytest.warns(CellSegWarning, match="not even weak ones"):
        segment(image, blank)


def test_a_few_bright_pixels_in_an_even_plane_are_not_constant(kit):
    image = np.zeros((9000, 8000), np.uint8)
    image[4000:4020, 70:90] = 9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = segment(
            image, kit.PixelOracle(exact=False, spoilt=0, tile=512), region=(slice(3950, 4050), slice(0, 200))
        )
    assert len(found.features) == 1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"confidence": 1.5}, OptionError),
        ({"confidence": "high"}, OptionError),
        ({"diameter": -2}, OptionError),
        ({"diameter": "big"}, OptionError),
        ({"diameter": 1e-6}, OptionError),
        ({"tile": 3}, OptionError),
        ({"pixel_size": 0}, OptionError),
        ({"pixel_size": "x"}, OptionError),
        ({"link": "t"}, OptionError),
        ({"link": "z"}, AxesError),
        ({"axes": "YXC"}, AxesError),
        ({"device": "gpu"}, OptionError),
    ],
)
def test_wrong_options_are_refused_in_words(field, oracle, options, error):
    if "device" in options:
        oracle = "nuclei"
    with pytest.raises(error) as caught:
        segment(field[1], oracle, **options)
    assert len(str(caught.value)) > 20


def test_a_wrong_model_is_refused(field):
    with pytest.raises(ModelError):
        segment(field[1], "no such model")


def test_pixel_size_sets_the_scale_where_the_model_knows_its_own(field, kit):
    _, image = field
    model = kit.PixelOracle(spoilt=0, pixel_size=0.5)
    assert segment(image, model, pixel_size=1.0).provenance["resolved"]["scale"] == 2.0
    assert segment(image, model, pixel_size=(0.25, 1.0)).provenance["resolved"]["scale"] == 1.0
    assert segment(image, model, pixel_size=1.0, diameter=20).provenance["resolved"]["scale"] == 1.0


def test_objects_too_large_to_be_seen_whole_are_told(kit):
    labels = np.zeros((700, 1300), np.int32)
    labels[300:330, 100:1200] = 1
    model = kit.PixelOracle(spoilt=0, tile=1600, max_diameter=40)
    with pytest.warns(CellSegWarning, match="larger object diameter"):
        segment(kit.as_image(labels), model)


def test_provenance_survives_json(field, oracle):
    found = segment(field[1], oracle, region=(slice(0, 90), slice(0, 90)), pixel_size=(0.5, 0.5))
    assert json.loads(json.dumps(found.provenance)) == found.provenance
    assert found.provenance["model"]["sha256"] == "0" * 64
    assert found.provenance["counts"]["objects"] == len(found.features)
