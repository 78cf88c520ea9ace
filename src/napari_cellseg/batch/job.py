"""Segment many files, one after the other."""

import json
import time
import warnings
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from napari_cellseg.batch.files import Outputs, distinct_stems, find_images
from napari_cellseg.batch.records import Request, fingerprint, finished_record
from napari_cellseg.batch.results import BatchSummary, FileResult
from napari_cellseg.errors import CellSegError, CellSegWarning, OptionError
from napari_cellseg.events import Job, Progress, relay
from napari_cellseg.images.axes import resolve_axes
from napari_cellseg.images.reading import ImageFile, PixelSize, read_image
from napari_cellseg.labels.writing import FORMATS, write_labels, write_map
from napari_cellseg.models.card import file_hash
from napari_cellseg.models.protocols import Model
from napari_cellseg.models.registry import load_model
from napari_cellseg.outputs import make_folder, replacing
from napari_cellseg.pipeline import Segmentation, segmenting
from napari_cellseg.pipeline.kept_maps import check_kept_maps

Format: TypeAlias = Literal["tif", "png", "npy"]
STAGE = "Segmenting files"


def segmenting_files(
    paths: str | Path | Iterable[str | Path],
    out: str | Path,
    *,
    format: Format = "tif",
    overwrite: bool = False,
    model: str | Path | Model = "nuclei",
    axes: str | None = None,
    channel: int | Sequence[int] | str | None = None,
    pixel_size: Any = None,
    diameter: float | Literal["auto"] | None = None,
    confidence: float | None = None,
    tile: int | None = None,
    link: Literal["z"] | None = None,
    device: str = "auto",
    keep_maps: Sequence[str] = (),
) -> Job[BatchSummary]:
    """Segment image files and write labels, table and provenance of each.

    Parameters
    ----------
    paths : path or iterable of paths
        Image files, and folders whose images are taken (not those of their subfolders).
    out : path
        Folder for ``NAME_labels.tif``, ``NAME_features.csv`` and ``NAME_provenance.json``; made if missing.
        Files of the same name get distinct ones.
    format : {"tif", "png", "npy"}
        Of the label images: OME-TIFF with axes and pixel size, int32; 16-bit PNG (2-D, up to 65,535
        objects); or NumPy.
    overwrite : bool
        Whether results that are there are replaced. Otherwise a file whose results were made from the same
        pixels, model and parameters is skipped, and other files in the way are an error of that file.
    model, axes, channel, pixel_size, diameter, confidence, tile, link, device
        As in `napari_cellseg.segment`. Axes and pixel size are those of the file where they are not given.
    keep_maps : sequence of str
        Maps of the model to write too, by the names that its card has: ``NAME_disagreement.tif``, OME-TIFF of
        float32 at the scale of the image.

    Yields
    ------
    Progress
        Counts files; `detail` names the file and how far it is. The payload is the `Progress` of the file
        that is worked on, or its `FileResult` once it is finished.

    Returns
    -------
    BatchSummary

    Raises
    ------
    OptionError
        Where no path, an unknown format, or a map that the model does not give, is asked for.
    OutputError
        Where the folder cannot be made.
    ModelError, DeviceError
        Where the model cannot be loaded.
    """
    if format not in FORMATS:
        raise OptionError(f"format must be one of {', '.join(map(repr, FORMATS))}, not {format!r}.")
    start = time.monotonic()
    files = find_images(paths)
    folder = make_folder(out)
    yield Progress(STAGE, 0, len(files), "loading the model")
    loaded = load_model(model, device)
    check_kept_maps(keep_maps, loaded.card, None)
    options: dict[str, Any] = {
        "axes": axes, "channel": channel, "pixel_size": pixel_size, "diameter": diameter,
        "confidence": confidence, "tile": tile, "link": link,
    }  # fmt: skip
    if keep_maps:
        options["keep_maps"] = list(keep_maps)
    request = Request(loaded.card, format, options)
    images = {path.resolve() for path in files}
    results: list[FileResult] = []
    for i, (path, stem) in enumerate(zip(files, distinct_stems(files), strict=True)):
        outputs = Outputs.named(folder, stem, format, keep_maps)
        itself = next((p for p in outputs.paths if p.resolve() in images), None)
        if itself is None:
            result = yield from _one_file(path, outputs, request, model, device, overwrite, (i, len(files)))
        else:
            reason = f"Its results would replace '{itself}', one of the images. Choose another folder."
            result = _failed(path, time.monotonic(), reason)
        results.append(result)
        yield Progress(STAGE, i + 1, len(files), f"{path.name}: {result.status}", result)
    return BatchSummary(tuple(results), time.monotonic() - start)


def _one_file(
    path: Path,
    outputs: Outputs,
    request: Request,
    model: str | Path | Model,
    device: str,
    overwrite: bool,
    place: tuple[int, int],
) -> Job[FileResult]:
    """Segment one file; whatever goes wrong with it is its result."""
    start = time.monotonic()
    done, total = place
    yield Progress(STAGE, done, total, path.name)
    try:
        source = fingerprint(path)
        record = None if overwrite else finished_record(outputs, source, request)
        if record is not None:
            return FileResult(path, "skipped", outputs.labels, record["counts"]["objects"])
        file = _with_asked_colours(read_image(path), request.options)
        _tell(file)
        keywords = {**request.options, "axes": request.options["axes"] or file.axes}
        if keywords["pixel_size"] is None:
            keywords["pixel_size"] = file.pixel_size
        _check_format(file, keywords["axes"], request.format)
        with closing(segmenting(file.data, model, device=device, **keywords)) as job:
            segmentation = yield from relay(job, partial(_step_of, path, place))
        _write(segmentation, outputs, file, source, request)
    except CellSegError as error:
        return _failed(path, start, str(error))
    except MemoryError:
        return _failed(path, start, "There is too little memory for this image.")
    except Exception as error:  # one bad file, whatever is wrong with it, must not stop the others
        return _failed(path, start, f"{type(error).__name__}: {error}")
    told = tuple(segmentation.provenance["warnings"])
    seconds = time.monotonic() - start
    return FileResult(path, "done", outputs.labels, len(segmentation.features), seconds, warnings=told)


def _step_of(path: Path, place: tuple[int, int], step: Progress) -> Progress:
    """The progress of a file as that of many."""
    share = f": {step.fraction:.0%}" if step.stage == "Segmenting" else ""
    return Progress(STAGE, *place, path.name + share, step)


def _failed(path: Path, start: float, reason: str) -> FileResult:
    return FileResult(path, "failed", seconds=time.monotonic() - start, reason=reason)


def _with_asked_colours(file: ImageFile, options: dict[str, Any]) -> ImageFile:
    """The file with its equal colours kept apart where they are asked for, as of its coloured neighbours."""
    axes = options["axes"]
    asked = options["channel"] is not None if axes is None else len(axes.strip()) > file.data.ndim
    return file.in_colour() if asked else file


def _tell(file: ImageFile) -> None:
    for note in file.metadata.notes:
        warnings.warn(f"{file.path.name}: {note}", CellSegWarning, stacklevel=2)


def _pixel_size(given: Any, of_file: PixelSize | None) -> PixelSize | None:
    if given is None or isinstance(given, PixelSize):
        return given or of_file
    y, x = np.broadcast_to(np.asarray(given, np.float64), 2)
    return PixelSize(float(y), float(x), of_file.z if of_file else None)


def _check_format(file: ImageFile, axes: str | None, format: str) -> None:
    """Refuse a format that cannot hold the labels before they are made."""
    planes = set(resolve_axes(file.data.shape, file.data.dtype, axes)) & set("TZ")
    if format == "png" and planes:
        raise OptionError(
            f"PNG holds one plane, but '{file.path.name}' is a stack. Choose the format tif or npy."
        )


def _write(
    segmentation: Segmentation,
    outputs: Outputs,
    file: ImageFile,
    source: dict[str, Any],
    request: Request,
) -> None:
    """Write all results of a file; the provenance, which marks it as finished, takes its place last."""
    provenance = dict(segmentation.provenance)
    provenance["image"] = {**provenance["image"], "name": file.path.name, "path": source["path"]}
    provenance["source"] = {**source, "sha256": file_hash(file.path) if file.path.is_file() else None}
    provenance["request"] = request.record()
    provenance["outputs"] = [path.name for path in outputs.paths if path != outputs.provenance]
    axes = "".join(a for a in provenance["image"]["axes"] if a in "TZ") + "YX"
    size = _pixel_size(request.options["pixel_size"], file.pixel_size)
    with (
        replacing(outputs.provenance) as record,
        replacing(outputs.features) as table,
        ExitStack() as maps,
        replacing(outputs.labels) as labels,
    ):
        write_labels(labels, np.asarray(segmentation.labels), axes=axes, pixel_size=size)
        for name, path in outputs.maps.items():
            temporary = maps.enter_context(replacing(path))
            write_map(temporary, segmentation.maps[name], axes=axes, pixel_size=size)
        segmentation.features.to_csv(table, index=False)
        text = json.dumps(provenance, indent=2, ensure_ascii=False) + "\n"
        record.write_text(text, encoding="utf-8", errors="backslashreplace")
