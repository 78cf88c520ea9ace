"""GeoJSON as QuPath writes and reads it: a feature per object, in pixels of the image.

Objects are drawn along the edges of their pixels, so that holes, pieces and overlaps come back exactly;
outlines that people drew in QuPath hold the pixels whose centre lies inside.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.datasets.annotation import ObjectMask
from napari_cellseg.datasets.formats.coco_json import parse_json
from napari_cellseg.datasets.formats.format import Format, Notes
from napari_cellseg.datasets.formats.image_files import ImageFolder, Stems, write_image
from napari_cellseg.datasets.formats.outlines import (
    COLOURS,
    FARTHEST,
    IGNORED,
    Names,
    Outline,
    OutlineFile,
    image_of,
    image_record,
    number_of,
    on_planes,
    outline_samples,
    plain_text,
    said_shape,
    split_of,
    status_of,
)
from napari_cellseg.datasets.formats.polygons import Ring, RingPolygon, corner_polygons
from napari_cellseg.datasets.formats.tally import Tally
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.errors import DatasetError
from napari_cellseg.review.status import PERSON

_NAMESPACE = uuid.UUID("6f1d4f0e-51f3-4a39-8f0c-0d4a4f7a2b61")
_HEAD = 1 << 12
_AREAS = ("Polygon", "MultiPolygon")
_NO_AREA = "{} features have no area (points, lines, or nothing at all) and were left out"
_PARENTS = "{} annotations around detections are areas, not objects, and were left out"
_UNCLASSIFIED = "{} objects have no class and are called cell"
_OTHER = "{} features are no objects (the whole image, TMA cores, regions) and were left out"


def write_geojson(samples: Iterable[Sample], folder: Path, classes: Sequence[str]) -> Iterator[str]:
    """Write ``NAME.geojson`` for each sample, and its image to ``images``.

    Parameters
    ----------
    samples : iterable of Sample
        Those without pixels get no image.
    folder : Path
        An empty folder.
    classes : sequence of str
        Names in the order of their colours.

    Yields
    ------
    str
        Name of each sample that is done.
    """
    stems = Stems()
    for sample in samples:
        stem = stems.take(sample.name)
        write_image(sample, folder / "images", stem)
        collection = {
            "type": "FeatureCollection",
            "image": image_record(sample),
            "features": list(_features(sample, classes)),
        }
        text = json.dumps(collection, ensure_ascii=False, separators=(",", ":"))
        (folder / f"{stem}.geojson").write_text(text, encoding="utf-8")
        yield sample.name


def _features(sample: Sample, classes: Sequence[str]) -> Iterator[dict[str, Any]]:
    table = sample.annotation.objects
    rows = zip(table["class"], table["status"], table["origin"], table["confidence"], strict=True)
    colours = {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(classes)}
    for mask, (name, status, origin, confidence) in zip(sample.annotation.masks(), rows, strict=True):
        properties: dict[str, Any] = {
            "objectType": "annotation",
            "name": str(mask.index),
            "classification": {"name": name, "color": list(colours.get(name, COLOURS[-1]))},
            "metadata": {"label": str(mask.index), "status": status, "origin": origin},
        }
        if isfinite(confidence):
            properties["measurements"] = {"confidence": float(confidence)}
        yield _feature(mask, f"{sample.name}/{mask.index}", properties)
    if sample.ignored is not None and sample.ignored.any():
        area = ObjectMask(0, 0, 0, sample.ignored).trimmed()
        classification = {"name": IGNORED, "color": [128, 128, 128]}
        properties = {"objectType": "annotation", "classification": classification, "isLocked": True}
        yield _feature(area, f"{sample.name}/ignored", properties)


def _feature(mask: ObjectMask, key: str, properties: dict[str, Any]) -> dict[str, Any]:
    polygons = [[_closed(ring) for ring in polygon] for polygon in corner_polygons(mask)]
    single = len(polygons) == 1
    geometry = {
        "type": "Polygon" if single else "MultiPolygon",
        "coordinates": polygons[0] if single else polygons,
    }
    number = str(uuid.uuid5(_NAMESPACE, key.encode("utf-8", "replace").decode()))
    return {"type": "Feature", "id": number, "geometry": geometry, "properties": properties}


def _closed(ring: Ring) -> list[list[int]]:
    points: list[list[int]] = ring.tolist()
    return [*points, points[0]]


def is_geojson(path: Path) -> bool:
    """Whether a file looks like GeoJSON, or a folder holds one ``.geojson``."""
    if path.is_dir():
        return any(p.is_file() for p in path.glob("*.geojson"))
    if not path.is_file() or path.suffix.lower() not in (".geojson", ".json"):
        return False
    if path.suffix.lower() == ".geojson":
        return True
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return b'"Feature' in head


def read_geojson(path: Path, notes: Notes, *, images: Path | None = None) -> Iterator[Sample]:
    """Read samples of GeoJSON files, each with the image of its name.

    Parameters
    ----------
    path : Path
        A file, or a folder of ``.geojson`` files.
    notes : list of str
        Takes up what was left out.
    images : Path, optional
        Folder with the images; else they are looked for in ``images`` beside the files, and beside them.

    Raises
    ------
    DatasetError
        With file and key of what is wrong.
    """
    files = sorted(p for p in path.glob("*.geojson") if p.is_file()) if path.is_dir() else [path]
    if not files:
        raise DatasetError(f"'{path}' holds no GeoJSON: no file ends in '.geojson'.")
    base = path if path.is_dir() else path.parent
    roots = [base / "images", base] if images is None else [images]
    folder = ImageFolder(roots, anywhere=images is not None)
    tally, names = Tally(), Names()
    for file in files:
        image = image_of(file, file.stem, folder)
        for sample in outline_samples(_read_file(file, tally), image, tally):
            yield sample.renamed(names.take(sample.name))
    tally.tell(notes)


def _read_file(path: Path, tally: Tally) -> OutlineFile:
    document = parse_json(path, _compact)
    said = document.get("image") if isinstance(document, dict) else None
    image = said if isinstance(said, dict) else {}
    features = list(_entries(document, path))
    kinds = {_kind(feature) for _, feature in features}
    outlines: list[Outline] = []
    for where, feature in features:
        kind = _kind(feature)
        if kind == "annotation" and kinds & {"detection", "cell", "tile"}:
            tally.add(_PARENTS, where)
            continue
        outline = _outline(feature, where, tally)
        if outline is not None:
            outlines.append(outline)
    name = plain_text(image.get("name"), path.stem)
    return OutlineFile(
        path, on_planes(outlines), name, said_shape(image, f"'{path}', image"), split_of(image.get("split"))
    )


def _compact(entry: dict[str, Any]) -> dict[str, Any]:
    """Rings of a geometry as arrays as soon as they are read: a tenth of the memory."""
    kind, found = entry.get("type"), entry.get("coordinates")
    if isinstance(found, list) and kind == "Polygon":
        entry["coordinates"] = [_array(ring) for ring in found]
    elif isinstance(found, list) and kind == "MultiPolygon":
        entry["coordinates"] = [
            [_array(ring) for ring in polygon] if isinstance(polygon, list) else polygon for polygon in found
        ]
    return entry


def _array(ring: Any) -> Any:
    try:
        points = np.array(ring)
    except (ValueError, TypeError, OverflowError):
        return ring
    return points if points.dtype.kind in "if" else ring


def _entries(document: Any, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Features of a collection, a list or a single one, with file and key of each."""
    if isinstance(document, dict) and document.get("type") == "FeatureCollection":
        found, key = document.get("features"), "features"
    else:
        found, key = document if isinstance(document, list) else [document], ""
    if not isinstance(found, list):
        raise DatasetError(f"'{path}', features: there must be a list of features.")
    for number, feature in enumerate(found):
        where = f"'{path}', {key}[{number}]"
        if not isinstance(feature, dict) or feature.get("type") != "Feature":
            raise DatasetError(f"{where}: it is no feature of GeoJSON, whose type must be 'Feature'.")
        if not isinstance(feature.get("properties") or {}, dict):
            raise DatasetError(f"{where}.properties: there must be an object with keys.")
        yield where, feature


def _kind(feature: dict[str, Any]) -> str:
    properties = feature.get("properties") or {}
    kind = properties.get("objectType", properties.get("object_type"))
    return kind.lower() if isinstance(kind, str) else ""


def _outline(feature: dict[str, Any], where: str, tally: Tally) -> Outline | None:
    """The object of a feature, or None where it is none."""
    properties = feature.get("properties") or {}
    name = _class_name(properties.get("classification"), where)
    if _kind(feature) in ("root", "tma_core") or (name is not None and name.startswith("Region")):
        tally.add(_OTHER, where)
        return None
    geometry = feature.get("geometry")
    if geometry is not None and not isinstance(geometry, dict):
        raise DatasetError(f"{where}.geometry: there must be an object with keys.")
    if geometry is None or geometry.get("type") not in _AREAS:
        tally.add(_NO_AREA, where)
        return None
    tally.add(_UNCLASSIFIED, where, name is None)
    metadata = properties.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return Outline(
        _polygons(geometry, where),
        where,
        name or "cell",
        number_of(metadata.get("label")),
        status_of(metadata.get("status")),
        plain_text(metadata.get("origin"), PERSON),
        _confidence(properties.get("measurements")),
        _position(geometry.get("plane")),
    )


def _polygons(geometry: dict[str, Any], where: str) -> list[RingPolygon]:
    found = geometry.get("coordinates")
    polygons = [found] if geometry["type"] == "Polygon" else found
    where = f"{where}.geometry.coordinates"
    if not isinstance(polygons, list) or not all(isinstance(polygon, list) for polygon in polygons):
        raise DatasetError(f"{where}: there must be lists of rings.")
    return [[_ring(ring, where) for ring in polygon] for polygon in polygons]


def _ring(ring: Any, where: str) -> NDArray[np.float64]:
    valid = isinstance(ring, np.ndarray) and ring.ndim == 2 and ring.shape[1] in (2, 3) and len(ring) > 2
    if not valid:
        raise DatasetError(f"{where}: a ring must be a list of at least three points, [x, y] each.")
    points: NDArray[np.float64] = ring[:, :2].astype(np.float64)
    if not (np.abs(points) < FARTHEST).all():
        raise DatasetError(
            f"{where}: a coordinate is not finite, or further away than {FARTHEST:,.0f} pixels."
        )
    return points[:-1] if (points[0] == points[-1]).all() else points


def _class_name(value: Any, where: str) -> str | None:
    """Name of a classification; derived ones of QuPath as it shows them, ``"Tumor: Positive"``."""
    if isinstance(value, dict):
        names = value.get("names")
        joined = ": ".join(n for n in names if isinstance(n, str)) if isinstance(names, list) else ""
        value = value.get("name", joined)
    if value is not None and not isinstance(value, str):
        raise DatasetError(f"{where}.properties.classification: its name must be a text.")
    return plain_text(value, "") or None


def _confidence(measurements: Any) -> float:
    value = measurements.get("confidence") if isinstance(measurements, dict) else None
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < FARTHEST
    return float(value) if number and value is not None else float("nan")


def _position(plane: Any) -> dict[str, int]:
    found = {axis: plane.get(axis) for axis in ("t", "z")} if isinstance(plane, dict) else {}
    return {axis: at for axis, at in found.items() if type(at) is int and 0 <= at < FARTHEST}


FORMATS = (
    Format(
        name="geojson",
        title="GeoJSON, QuPath",
        description=(
            "Read and written by QuPath. Keeps all pixels of objects, overlaps, holes, classes, labels, "
            "status, confidence and origin, and areas that were not reviewed; images lie beside it at full "
            "depth."
        ),
        matches=is_geojson,
        read=read_geojson,
        write=write_geojson,
    ),
)
