"""Samples on their way into a dataset: which of its images they are, where they go, what is written."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from itertools import islice
from math import isfinite
from pathlib import PurePath
from typing import Any

from napari_cellseg.datasets.catalogue import Catalogue
from napari_cellseg.datasets.encoding import pixels_hash
from napari_cellseg.datasets.files import file_writers, write_all
from napari_cellseg.datasets.moving import write_record
from napari_cellseg.datasets.names import safe_name
from napari_cellseg.datasets.reading import read_source
from napari_cellseg.datasets.record import KINDS, Entry, Record, counted, file_path
from napari_cellseg.datasets.sample import SPLITS, Origin, Pixels, Sample, Split
from napari_cellseg.datasets.settings import Settings
from napari_cellseg.datasets.splitting import choose_split, is_place, unit_keys
from napari_cellseg.datasets.transaction import Transaction
from napari_cellseg.datasets.twins import Signatures, is_twin, signature
from napari_cellseg.errors import DatasetError
from napari_cellseg.outputs import output_errors
from napari_cellseg.provenance import versions

_WRITERS = 3
"""Files of an image that are compressed side by side."""
_CANDIDATES = 8
"""Images with a similar signature whose pixels are looked at."""


@dataclass(frozen=True, slots=True)
class Added:
    """What became of what was added.

    Attributes
    ----------
    names : tuple of str
        Names in the dataset, one per plane.
    updated : bool
        Whether any of them was there already and was replaced.
    twin_of : str
        Another image that it nearly equals; empty where there is none.
    notes : tuple of str
        What a user should know, a sentence each.
    """

    names: tuple[str, ...]
    updated: bool = False
    twin_of: str = ""
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name; of several planes the first one's."""
        return self.names[0]


class Intake:
    """Prepares samples in a transaction; used as a context.

    Parameters
    ----------
    settings : Settings
        The dataset's; classes that come with samples are appended, see `settings`.
    catalogue : Catalogue
        What is there; takes in what is prepared.
    transaction : Transaction
        Where the files are prepared.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue, transaction: Transaction) -> None:
        self.settings = settings
        self._catalogue, self._transaction = catalogue, transaction
        self._signatures = Signatures({name: entry.signature for name, entry in catalogue.items()})
        self._names = {name.casefold(): name for name in catalogue}
        self._pixels = {entry.pixels: name for name, entry in catalogue.items()}
        self._origins = {_origin_key(e): name for name, e in catalogue.items() if is_place(e.origin.source)}
        self._units = {key: entry.split for entry in catalogue.values() for key in unit_keys(entry)}
        self._counts: Counter[Split] = Counter(entry.split for entry in catalogue.values())
        self._come: set[str] = set()
        self._by_other_names: set[str] = set()
        self._executor = ThreadPoolExecutor(_WRITERS)
        self._versions = versions()

    def __enter__(self) -> "Intake":
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown()

    def take(self, sample: Sample, *, is_named: bool = True) -> Added:
        """Prepare a sample.

        Parameters
        ----------
        sample : Sample
            The sample.
        is_named : bool
            Whether its name says which image it is, so that it replaces the one of that name; else, and
            where another sample has come with that name before, it gets another one where it is taken.

        Raises
        ------
        DatasetError
            Where it has no pixels, or none that can be stored.
        OutputError
            Where its files cannot be written.
        """
        pixels = _storable(sample)
        coming = _entry_of(sample, pixels)
        is_named = is_named and coming.name not in self._come
        self._come.add(coming.name)
        known = self._known(coming, is_named, flat=not coming.signature and _is_flat(pixels))
        notes: list[str] = []
        if known is not None:
            notes += _update_notes(coming, known)
            origin = _joined_origin(coming, known)
            entry = replace(coming, name=known.name, split=known.split, added=known.added, origin=origin)
            if coming.name != known.name:
                self._by_other_names.add(known.name)
        else:
            entry = replace(coming, name=self._free_name(coming.name))
            notes += _renamed_notes(coming.name, entry.name)
        twin = self._twin(entry, pixels)
        entry = replace(entry, twin_of=twin)
        if known is None:
            entry = replace(entry, split=self._split(entry, sample.split))
        notes += self._new_classes(entry) + self._crossings(entry)
        self._stage(sample, pixels, entry, known)
        self._expect(entry, known)
        return Added((entry.name,), known is not None, twin, tuple(notes))

    def _known(self, coming: Entry, is_named: bool, flat: bool) -> Entry | None:
        """The image that a sample is: of the same name, of the same place, or of the same pixels."""
        if is_named and coming.name in self._catalogue and coming.name not in self._by_other_names:
            return self._catalogue[coming.name]
        if is_place(coming.origin.source):
            known = self._catalogue.get(self._origins.get(_origin_key(coming), ""))
            if known is not None and _origin_key(known) == _origin_key(coming):
                return known
        known = None if flat else self._catalogue.get(self._pixels.get(coming.pixels, ""))
        if known is None or known.pixels != coming.pixels or _is_elsewhere(coming, known):
            return None
        return known

    def _free_name(self, name: str) -> str:
        free, number = name, 2
        while free.casefold() in self._names:
            free, number = f"{name}_{number}", number + 1
        return free

    def _twin(self, entry: Entry, pixels: Pixels) -> str:
        """The most alike image that nothing else keeps together with this one."""
        keys = set(unit_keys(entry))
        found = (self._catalogue[name] for name in self._signatures.alike(entry.signature))
        others = (e for e in found if e.name != entry.name and not keys & set(unit_keys(e)))
        return next((e.name for e in islice(others, _CANDIDATES) if self._is_twin(pixels, e)), "")

    def _is_twin(self, pixels: Pixels, other: Entry) -> bool:
        """Whether the details agree too; of an image that cannot be read any more the signature counts."""
        path = self._transaction.staged(file_path("source", other.split, other.name))
        try:
            return is_twin(pixels, read_source(path, other))
        except DatasetError:
            return True

    def _split(self, entry: Entry, wanted: Split | None) -> Split:
        if wanted is not None:
            return wanted
        for key in unit_keys(entry):
            if key in self._units:
                return self._units[key]
        if entry.twin_of:
            return self._catalogue[entry.twin_of].split
        return choose_split(self._counts, 1, self.settings.fractions, self.settings.seed, entry.name)

    def _new_classes(self, entry: Entry) -> list[str]:
        new = [name for name in entry.classes if name not in self.settings.classes]
        if not new:
            return []
        self.settings = self.settings.with_classes([*self.settings.classes, *new])
        return [f"New in the dataset's classes: {', '.join(new)}."]

    def _crossings(self, entry: Entry) -> list[str]:
        """What is torn apart by the split that an image has or was given."""
        others = {
            key: self._units[key]
            for key in unit_keys(entry)
            if self._units.get(key) not in (None, entry.split)
        }
        notes = [
            f"'{entry.name}' is in {entry.split}, others of its {key.split('/')[0]} are in {split}."
            for key, split in others.items()
        ]
        twin = self._catalogue.get(entry.twin_of)
        if twin is not None and twin.split != entry.split:
            notes.append(
                f"'{entry.name}' is in {entry.split}, its near-duplicate '{twin.name}' in {twin.split}."
            )
        return [f"{note} Split the dataset anew to put them together." for note in notes]

    def _stage(self, sample: Sample, pixels: Pixels, entry: Entry, known: Entry | None) -> None:
        writers = file_writers(replace(sample, origin=entry.origin), pixels, self.settings)
        paths = {kind: file_path(kind, entry.split, entry.name) for kind in KINDS}
        for kind in set(paths) - set(writers):
            if known is not None:
                self._transaction.remove(paths[kind])
        with output_errors(self._transaction.folder):
            jobs = [(self._transaction.put(paths[kind]), write) for kind, write in writers.items()]
            hashes = write_all(self._executor, jobs)
            files = {paths[kind]: text for kind, text in zip(writers, hashes, strict=True)}
        record = record_of(entry, sample.annotation.objects, files, self._versions)
        write_record(self._transaction, record)

    def _expect(self, entry: Entry, known: Entry | None) -> None:
        self._catalogue.expect(entry)
        self._signatures.add(entry.name, entry.signature)
        self._names[entry.name.casefold()] = entry.name
        self._pixels[entry.pixels] = entry.name
        if is_place(entry.origin.source):
            self._origins[_origin_key(entry)] = entry.name
        self._units |= {key: entry.split for key in unit_keys(entry) if key not in self._units}
        if known is None:
            self._counts[entry.split] += 1


def record_of(entry: Entry, table: Any, files: dict[str, str], made_with: dict[str, str]) -> Record:
    """The record of an entry."""
    known = {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
    return Record(**known, table=table, files=files, versions=made_with)


def _storable(sample: Sample) -> Pixels:
    pixels = sample.pixels()
    if 0 in pixels.shape or pixels.dtype.kind not in "buif" or pixels.dtype.itemsize > 8:
        raise DatasetError(
            f"The image of '{sample.name}' must have pixels that are whole numbers, floats of up to 64 bits "
            f"or true/false, got {pixels.dtype} of shape {pixels.shape}."
        )
    size = sample.origin.pixel_size
    if size is not None and not (size > 0 and isfinite(size)):
        raise DatasetError(
            f"The pixel size of '{sample.name}' must be above 0 µm, not {size}. Leave it out if it is "
            "not known."
        )
    if sample.split not in (None, *SPLITS):
        raise DatasetError(f"split must be one of {', '.join(SPLITS)}, not '{sample.split}'.")
    if sample.ignored is not None and sample.ignored.shape != sample.annotation.shape:
        raise DatasetError(
            f"The ignored pixels of '{sample.name}' must have the shape of its labels, "
            f"{sample.annotation.shape}, not {sample.ignored.shape}."
        )
    return pixels


def _entry_of(sample: Sample, pixels: Pixels) -> Entry:
    """What is known of a sample by itself; its split is still to be decided."""
    table = sample.annotation.objects
    ignored = 0.0 if sample.ignored is None else float(sample.ignored.mean())
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Entry(
        name=safe_name(sample.name),
        split=sample.split or "train",
        shape=tuple(int(n) for n in pixels.shape),
        dtype=pixels.dtype.newbyteorder("=").name,
        origin=_plain_origin(sample.origin),
        objects=len(table),
        statuses=counted(table, "status"),
        classes=counted(table, "class"),
        reviewed=1 - ignored,
        pixels=pixels_hash(pixels),
        signature=signature(pixels),
        added=time,
        updated=time,
    )


def _is_flat(pixels: Pixels) -> bool:
    """Whether all pixels are the same: such an image is no other one just because that is flat too."""
    return bool((pixels == pixels.flat[0]).all())


def _origin_key(entry: Entry) -> tuple[Any, ...]:
    origin = entry.origin
    return (origin.source, tuple(sorted(origin.position.items())), origin.region, entry.shape)


def _is_elsewhere(one: Entry, other: Entry) -> bool:
    """Whether two images with equal pixels are told to be from different places of one source."""
    same = is_place(one.origin.source) and one.origin.source == other.origin.source
    return same and _origin_key(one) != _origin_key(other)


def _plain_origin(origin: Origin) -> Origin:
    """The same with numbers that JSON knows and that compare with those of a record."""
    region = origin.region
    size = origin.pixel_size
    return replace(
        origin,
        position={str(axis): int(place) for axis, place in origin.position.items()},
        region=None if region is None else (int(region[0]), int(region[1]), int(region[2]), int(region[3])),
        pixel_size=float(size) if size is not None and isfinite(size) else None,
    )


def _joined_origin(coming: Entry, known: Entry) -> Origin:
    """Where an updated image comes from: what was told before holds for what is not told now.

    Which part of a plane it shows is told by what is coming, where its pixels are others.
    """
    told = {f.name: getattr(coming.origin, f.name) for f in fields(Origin)}
    before = known.origin if coming.pixels == known.pixels else replace(known.origin, region=None, plane="")
    return replace(before, **{name: value for name, value in told.items() if value not in ("", None, {})})


def _renamed_notes(name: str, free: str) -> list[str]:
    return [] if free == name else [f"There is another image '{name}' already: this one is called '{free}'."]


def _update_notes(coming: Entry, known: Entry) -> list[str]:
    before, after = known.origin.source, coming.origin.source
    if known.name != coming.name:
        return [f"'{coming.name}' is in the dataset already, as '{known.name}', which was replaced."]
    if before and after and PurePath(before) != PurePath(after) and known.pixels != coming.pixels:
        return [f"'{known.name}' from '{before}' was replaced by another image, from '{after}'."]
    return []
