"""One run over an image: its planes through the model, from the first tile to the provenance."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_cellseg.errors import ModelError, OutOfMemoryError
from napari_cellseg.events import Job, Progress
from napari_cellseg.images.planes import Planes
from napari_cellseg.images.resampling import scaled_shape
from napari_cellseg.models.card import DISAGREEMENT, ModelCard
from napari_cellseg.models.protocols import Model, split_tiles
from napari_cellseg.models.registry import ModelEntry, find_model, load_model
from napari_cellseg.pipeline.clock import Clock
from napari_cellseg.pipeline.collecting import Collector
from napari_cellseg.pipeline.finding import Search, find_objects
from napari_cellseg.pipeline.kept_maps import KeptMaps
from napari_cellseg.pipeline.linking import LinkedCollector, linking_order
from napari_cellseg.pipeline.options import (
    SCALE_LIMITS,
    Options,
    check_link,
    is_number,
    resolve_confidence,
    resolve_planes,
    resolve_region,
    resolve_scale,
    scale_for,
)
from napari_cellseg.pipeline.outputs import open_labels
from napari_cellseg.pipeline.report import Report, intensity_records
from napari_cellseg.pipeline.results import Segmentation
from napari_cellseg.pipeline.sizing import estimate_diameter
from napari_cellseg.pipeline.tiling import choose_tiling, count_tiles, halo_of, needed_window, network_window
from napari_cellseg.pipeline.view import (
    Intensities,
    PlaneView,
    measure_intensities,
    stack_contrast,
    widened,
)
from napari_cellseg.provenance import model_record, now, plain, versions

STAGE = "Segmenting"


class Run:
    """One job: the image, the options and the model, and what is known so far."""

    def __init__(
        self, planes: Planes, options: Options, model: Model, choice: str | Path | Model, clock: Clock
    ) -> None:
        card = model.card
        self.planes, self.options, self.model, self.choice, self.clock = planes, options, model, choice, clock
        self.linked = check_link(options, planes)
        chosen = resolve_planes(options, planes)
        self.chosen = linking_order(planes, chosen) if self.linked else chosen
        self.region = resolve_region(options, planes)
        self.confidence = resolve_confidence(options, card)
        self.requested_scale = resolve_scale(options, card)
        self.scale = 1.0
        self.diameter: float | None = options.diameter if is_number(options.diameter) else None
        self.tiling = choose_tiling(card, options.tile, model.device)
        self.report = Report()
        self._kept: KeptMaps | None = None
        self._contrasts: dict[tuple[int, ...], float] = {}
        self.done = self.total = 0

    def execute(self, out: Any, given: dict[str, Any], keep_maps: Sequence[str] = ()) -> Job[Segmentation]:
        """Run the whole job."""
        card = self.model.card
        self._kept = KeptMaps(keep_maps, card, self.planes.labels_shape, out) if keep_maps else None
        target = open_labels(out, self.planes.labels_shape)
        kind = LinkedCollector if self.linked else Collector
        doubted = DISAGREEMENT in card.maps
        collector = kind(self.planes, target, self.confidence, card.confidence_floor, doubted)
        yield from self._settle_scale()
        self._expect(len(self.chosen))
        yield Progress(STAGE, 0, self.total)
        for i, plane in enumerate(self.chosen):
            yield from self._segment_plane(plane, collector, len(self.chosen) - i)
        with self.clock.measure("finishing"):
            features, candidates = collector.finish(self.model.card.classes)
        self.report.judge(
            len(self.planes),
            len(features),
            candidates,
            self.confidence,
            self.looked_for,
        )
        provenance = self._provenance(given, len(features), len(candidates))
        maps = {} if self._kept is None else self._kept.arrays
        return Segmentation(target.array, features, candidates, provenance, maps)

    @property
    def looked_for(self) -> float:
        """Diameter of the objects, image pixels: given, measured, or what the network knows best."""
        return self.diameter or self.model.card.diameter / self.scale

    def _view(self, plane: int) -> PlaneView | None:
        """The plane as the network sees it; None where there is nothing to see."""
        if plane not in self.report.intensities:
            with self.clock.measure("intensities"):
                self.report.intensities[plane] = self._intensities(plane)
        found = self.report.intensities[plane]
        if found.is_void or found.is_constant:
            return None
        return PlaneView(self.planes, plane, found.range, self.scale, self.model.card.channels)

    def _intensities(self, plane: int) -> Intensities:
        """Intensities of a plane, with no less contrast than its z stack allows."""
        scaling = self.model.card.scaling
        found = measure_intensities(self.planes, plane, scaling, self.region)
        if "Z" not in self.planes.outer_axes or found.is_void:
            return found
        axis = self.planes.outer_axes.index("Z")
        stack = self.planes.index(plane)[:axis] + self.planes.index(plane)[axis + 1 :]
        if stack not in self._contrasts:
            self._contrasts[stack] = stack_contrast(self.planes, plane, scaling)
        return replace(found, range=widened(found.range, self._contrasts[stack]))

    def _settle_scale(self) -> Generator[Progress, None, None]:
        """Find out the scale, from the size of the objects where it was not given."""
        if self.requested_scale != "auto":
            self.scale = self.requested_scale
            return
        middle = len(self.chosen) // 2
        by_distance = sorted(range(len(self.chosen)), key=lambda i: abs(i - middle))
        view = next((v for i in by_distance if (v := self._view(self.chosen[i])) is not None), None)
        if view is None:
            return
        with self.clock.measure("sizing"):
            try:
                diameter = yield from estimate_diameter(self.model, view)
            except OutOfMemoryError as error:
                self._to_cpu(error)
                diameter = yield from estimate_diameter(self.model, view)
        if diameter is None:
            if self.options.diameter == "auto":
                self.report.warn(
                    f"The size of the objects could not be estimated, none was found; it was taken to be "
                    f"{self.model.card.diameter:.0f} px. Give the object diameter."
                )
            return
        low, high = SCALE_LIMITS
        self.diameter = round(diameter, 1)
        self.scale = min(high, max(low, scale_for(self.diameter, self.model.card)))

    def _expect(self, planes_left: int) -> None:
        """Work out how many tiles there are in all."""
        shape = scaled_shape(self.planes.shape, self.scale)
        inside = network_window(self.region, shape, self.scale)
        window = needed_window(shape, halo_of(self.model.card), inside)
        self.per_plane = count_tiles(self.tiling.grid(shape), window)
        self.total = self.done + self.per_plane * planes_left

    def _segment_plane(
        self, plane: int, collector: Collector, planes_left: int
    ) -> Generator[Progress, None, None]:
        """Segment one plane, with smaller tiles or another device where memory runs out."""
        before = self.done
        view = self._view(plane)
        collector.start_plane(plane)
        count = len(self.chosen)
        detail = f"plane {count - planes_left + 1} of {count}" if count > 1 else ""
        while view is not None:
            try:
                yield from self._search(view, collector, detail)
                break
            except OutOfMemoryError as error:
                self._retreat(error)
                self.done = before
                self._expect(planes_left)
                yield Progress(STAGE, self.done, self.total, detail, collector.restart_plane(plane))
        collector.finish_plane(plane)
        self.done = before + self.per_plane
        if view is None:
            yield Progress(STAGE, self.done, self.total, detail)

    def _search(self, view: PlaneView, collector: Collector, detail: str) -> Generator[Progress, None, None]:
        search = Search(self.model, view, self.tiling, self.region, self.clock, self._kept)
        split_before = split_tiles(self.model)
        for found in find_objects(search):
            if isinstance(found, int):
                self.done += found
                yield Progress(STAGE, self.done, self.total, detail)
                continue
            with self.clock.measure("painting"):
                painted = collector.add(view.plane, found)
            if painted is not None:
                yield Progress(STAGE, self.done, self.total, detail, painted)
        self.report.cut_off += search.cut_off
        self.report.split_tiles += split_tiles(self.model) - split_before

    def _retreat(self, error: OutOfMemoryError) -> None:
        """After memory ran out: smaller tiles, then the CPU."""
        smaller = self.tiling.smaller()
        if smaller is None:
            self._to_cpu(error)
            return
        if smaller.tile < self.tiling.tile:
            self.report.warn(
                f"{self.model.device} ran out of memory with tiles of {self.tiling.tile} pixels; "
                f"the plane is done again with {smaller.tile}."
            )
        self.tiling = smaller

    def _to_cpu(self, error: OutOfMemoryError) -> None:
        """Load the same model on the CPU; where it is there already, or cannot be, the error goes on."""
        if self.model.device == "cpu":
            raise error
        before, card = self.model.device, self.model.card
        choice = self.choice
        if not isinstance(choice, str | Path):
            entry = entry_of(card)
            if entry is None:
                raise error
            choice = card.name
        self.model = load_model(choice, "cpu")
        self.tiling = choose_tiling(card, self.options.tile, self.model.device)
        self.report.warn(
            f"{before} ran out of memory even with the smallest tiles; the CPU goes on, more slowly."
        )

    def _provenance(self, given: dict[str, Any], count: int, candidates: int) -> dict[str, Any]:
        """How the labels came about."""
        planes, options, card = self.planes, self.options, self.model.card
        parameters = {
            "axes": given["axes"],
            "channel": given["channel"],
            "pixel_size": options.pixel_size,
            "diameter": options.diameter,
            "confidence": options.confidence,
            "tile": options.tile,
            "link": options.link,
            "device": options.device,
            "region": options.region,
            "planes": options.planes,
        }
        shape = self.tiling.grid(scaled_shape(planes.shape, self.scale)).tile_shape
        return {
            "versions": versions(),
            "model": model_record(card, self.model.device, self.choice),
            "image": {
                "shape": given["shape"],
                "dtype": str(planes.dtype),
                "axes": planes.axes,
                "pixel_size": plain(options.pixel_size),
                "name": None,
                "path": None,
            },
            "parameters": plain(parameters),
            "resolved": {
                "confidence": self.confidence,
                "floor": card.confidence_floor,
                "scale": self.scale,
                "diameter": self.looked_for,
                "tile": list(shape),
                "overlap": self.tiling.overlap,
                "planes": sorted(self.chosen),
            },
            "intensities": intensity_records(self.report),
            "counts": {"objects": count, "candidates": candidates},
            "warnings": list(self.report.warnings),
            "seconds": self.clock.seconds(),
            "created": now(),
        }


def entry_of(card: ModelCard) -> ModelEntry | None:
    """The registered model of the same weights, if there is one."""
    try:
        entry = find_model(card.name)
    except ModelError:
        return None
    return entry if entry.card.sha256 == card.sha256 else None
