"""GeoJSON: all comes back exactly; what QuPath and people write is read; what is broken is named."""

import json
import uuid

import numpy as np
import pytest
import shapely
from imagecodecs import png_encode

from napari_cellseg.datasets.formats.geojson import FORMATS
from napari_cellseg.errors import DatasetError

from .nasty import (
    CLASSES,
    nasty_annotations,
    pixels_of,
    sample_of,
)

GEOJSON = FORMATS[0]
SQUARE = [[[1, 1], [4, 1], [4, 3], [1, 3], [1, 1]]]


def written(some, folder):
    assert list(GEOJSON.write(some, folder, CLASSES)) == [s.name for s in some]
    return folder


def read(path, notes=None, **more):
    return list(GEOJSON.read(path, [] if notes is None else notes, **more))


def feature(geometry="Polygon", coordinates=SQUARE, plane=None, **properties):
    shape = {"type": geometry, "coordinates": coordinates} | ({"plane": plane} if plane else {})
    return {"type": "Feature", "id": str(uuid.uuid4()), "geometry": shape, "properties": properties}


def file_of(folder, *features, name="a", size=(10, 10), whole=None):
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.geojson"
    document = {"type": "FeatureCollection", "features": list(features)} if whole is None else whole
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    if size:
        (folder / f"{name}.png").write_bytes(png_encode(pixels_of(size, "uint8")))
    return path


def test_names_that_no_file_can_have_come_back(tmp_path):
    hole = nasty_annotations()["hole"]
    names = ["a/b", "a:b", "A/B", "a_b"]
    assert sorted(s.name for s in read(written([sample_of(n, hole) for n in names], tmp_path))) == sorted(
        names
    )


def test_what_is_written_is_valid_and_as_qupath_has_it(tmp_path):
    written([sample_of("a", nasty_annotations()["pieces and holes"])], tmp_path)
    document = json.loads((tmp_path / "a.geojson").read_text(encoding="utf-8"))
    (found,) = document["features"]
    geometry = shapely.geometry.shape(found["geometry"])
    assert geometry.is_valid
    assert geometry.geom_type == "MultiPolygon"
    assert geometry.area == nasty_annotations()["pieces and holes"].labels.sum()
    assert uuid.UUID(found["id"])
    assert found["properties"]["objectType"] == "annotation"
    assert found["properties"]["classification"] == {"name": "cell", "color": [230, 159, 0]}


def test_smooth_outlines_hold_pixels_whose_centre_is_inside(tmp_path):
    angle = np.linspace(0, 2 * np.pi, 60)
    ring = np.stack([20.3 + 9.7 * np.cos(angle), 15.1 + 6.2 * np.sin(angle)], 1)
    (found,) = read(file_of(tmp_path, feature(coordinates=[ring.tolist()]), size=(30, 40)))
    y, x = np.mgrid[:30, :40] + 0.5
    np.testing.assert_array_equal(
        found.annotation.labels > 0, shapely.contains_xy(shapely.Polygon(ring), x, y)
    )


def test_classes_of_qupath(tmp_path):
    names = [
        {"name": "Tumor", "colorRGB": -3670016},
        {"name": "Tumor: Positive"},
        {"names": ["Stroma", "Negative"], "color": [1, 2, 3]},
        None,
    ]
    shifted = [[[[x + 2 * k, y] for x, y in SQUARE[0]]] for k in range(4)]
    notes = []
    pairs = zip(shifted, names, strict=True)
    (found,) = read(file_of(tmp_path, *(feature(coordinates=c, classification=n) for c, n in pairs)), notes)
    assert found.annotation.objects["class"].tolist() == [
        "Tumor",
        "Tumor: Positive",
        "Stroma: Negative",
        "cell",
    ]
    assert [n for n in notes if "1 objects have no class" in n]


def test_annotations_around_detections_are_no_objects(tmp_path):
    notes = []
    whole = [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]]
    path = file_of(
        tmp_path, feature(coordinates=whole, objectType="annotation"), feature(objectType="detection")
    )
    (found,) = read(path, notes)
    assert found.annotation.labels.sum() == 6
    assert [n for n in notes if "around detections" in n]
    (found,) = read(file_of(tmp_path, feature(object_type="cell"), feature(objectType="root"), name="b"))
    assert len(found.annotation) == 1


def test_what_has_no_area_is_said(tmp_path):
    notes = []
    point, line = feature("Point", [3, 4]), feature("LineString", [[1, 1], [5, 5]])
    nothing = {"type": "Feature", "geometry": None, "properties": None}
    tiny = feature(coordinates=[[[1, 1], [1.2, 1], [1.2, 1.2], [1, 1]]])
    (found,) = read(file_of(tmp_path, point, line, nothing, tiny, feature()), notes)
    assert len(found.annotation) == 1
    assert [n for n in notes if n.startswith("3 features have no area")]
    assert [n for n in notes if n.startswith("1 outlines hold no centre")]


def test_an_outline_over_the_border_is_cut(tmp_path):
    ring = [[[-5, -5], [3, -5], [3, 2], [-5, 2], [-5, -5]]]
    (found,) = read(file_of(tmp_path, feature(coordinates=ring)))
    assert found.annotation.labels.sum() == 6


DOCUMENTS = {
    "list": [feature()],
    "single feature": feature(),
    "three numbers": {
        "type": "FeatureCollection",
        "features": [feature(coordinates=[[[*p, 0] for p in SQUARE[0]]])],
    },
    "multi": {"type": "FeatureCollection", "features": [feature("MultiPolygon", [SQUARE])]},
    "not closed": {"type": "FeatureCollection", "features": [feature(coordinates=[SQUARE[0][:-1]])]},
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_kinds_of_documents(name, tmp_path):
    (found,) = read(file_of(tmp_path, whole=DOCUMENTS[name]))
    assert found.annotation.labels[1:3, 1:4].all()
    assert found.annotation.labels.sum() == 6


def test_images_are_found_by_name(tmp_path):
    file_of(tmp_path / "labels", feature(), size=None)
    (tmp_path / "labels" / "b.tif.geojson").write_text(json.dumps([feature()]))
    (tmp_path / "pictures").mkdir()
    for name in ("a.png", "b.tif.png"):
        (tmp_path / "pictures" / name).write_bytes(png_encode(pixels_of((7, 8), "uint8")))
    found = read(tmp_path / "labels", images=tmp_path / "pictures")
    assert [(s.name, s.pixels().shape) for s in found] == [("a", (7, 8)), ("b.tif", (7, 8))]
    notes = []
    (first, _) = read(tmp_path / "labels", notes)
    assert first.annotation.shape == (3, 4)
    assert any("no image" in n for n in notes)
    assert any("size" in n for n in notes)


def test_objects_on_several_planes_become_several_samples(tmp_path):
    import tifffile

    planes = [feature(plane={"c": -1, "z": z, "t": 0}) for z in (0, 2, 2)]
    path = file_of(tmp_path, *planes, size=None)
    stack = np.arange(3 * 10 * 12, dtype=np.uint16).reshape(3, 10, 12)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    found = read(path)
    assert [(s.name, len(s.annotation), s.origin.position) for s in found] == [
        ("a_z00", 1, {"z": 0}),
        ("a_z02", 2, {"z": 2}),
    ]
    np.testing.assert_array_equal(found[1].pixels(), stack[2])
    with pytest.raises(DatasetError, match="no plane"):
        read(file_of(tmp_path, feature(plane={"z": 3, "t": 0}), size=None))


BROKEN = {
    "no json": '{"type": "FeatureCollection", "features": [',
    "no list": '{"type": "FeatureCollection", "features": 3}',
    "no feature": "[3]",
    "text": '"hello"',
    "two points": [feature(coordinates=[[[1, 1], [2, 2]]])],
    "not a number": [feature(coordinates=[[[1, 1], [2, "x"], [3, 3]]])],
    "not finite": [feature(coordinates=[[[1, 1], [float("nan"), 2], [3, 1]]])],
    "far away": [feature(coordinates=[[[1, 1], [1e12, 2], [3, 3]]])],
    "too deep": [feature(coordinates=[[[[1, 1], [2, 2], [3, 1]]]])],
    "ragged": [feature(coordinates=[[[1, 1], [2], [3, 3]]])],
    "class a number": [feature(classification={"name": 3})],
    "properties a list": [{"type": "Feature", "geometry": None, "properties": [3]}],
    "geometry a text": [{"type": "Feature", "geometry": "x", "properties": {}}],
    "huge": [feature(coordinates=[[[0, 0], [900_000_000, 0], [900_000_000, 900_000_000]]])],
    "image of absurd size": {
        "type": "FeatureCollection",
        "features": [],
        "image": {"height": 10**9, "width": 10**9},
    },
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_named(name, tmp_path):
    with pytest.raises(DatasetError, match=r"a\.geojson"):
        read(file_of(tmp_path, whole=BROKEN[name], size=None))


def test_folders_and_files_that_look_like_it(tmp_path):
    path = file_of(tmp_path / "a", feature())
    assert GEOJSON.matches(path)
    assert GEOJSON.matches(tmp_path / "a")
    assert GEOJSON.matches(path.rename(path.with_suffix(".json")))
    assert not GEOJSON.matches(tmp_path / "a" / "a.png")
    (tmp_path / "b.json").write_text('{"images": []}')
    assert not GEOJSON.matches(tmp_path / "b.json")
    with pytest.raises(DatasetError, match="holds no GeoJSON"):
        read(tmp_path)
