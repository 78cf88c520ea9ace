"""The entries of a journal as bytes: framed, checked and compressed, one after the other."""

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from napari_cellseg.review.packing import PackedLabels
from napari_cellseg.review.pixel_runs import PixelRuns
from napari_cellseg.review.table_records import Record, plain_value

MAGIC = b"napari-cellseg journal 1\n"
"""First bytes of a journal; the number is that of its format."""
REVIEWED = "review"
"""Kind of an entry that only says where the review stands."""
SAVED = "saved "
"""How the kind of an entry begins that only says which file the labels are in."""
Json: TypeAlias = Mapping[str, Any]
_FRAME = struct.Struct("<4sIII")
_MARK = b"\xc5JE\n"
_COUNT = struct.Struct("<I")


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One step of the work on a label image.

    Attributes
    ----------
    kind : str
        What was done: the name of an edit, ``"paint"``, ``"undo"``, ``"accept"``, …
    pixels : PixelRuns, PackedLabels or None
        Pixels that changed, or all labels as they are after the step, or None where no pixel changed.
    before, after : dict or None
        Rows of the table that changed, as `table_record` gives them; with all labels, `after` is the table.
    review : mapping or None
        What changed of the state of the review queue, None where nothing did.
    is_base : bool
        Whether this is what the work began with.
    """

    kind: str
    pixels: PixelRuns | PackedLabels | None = None
    before: Record | None = None
    after: Record | None = None
    review: Json | None = None
    is_base: bool = False

    @property
    def is_step(self) -> bool:
        """Whether something was done, not only looked at or saved."""
        return self.kind != REVIEWED and not self.kind.startswith(SAVED)

    def to_bytes(self) -> bytes:
        """The entry, compressed."""
        head: dict[str, Any] = {"kind": self.kind, "before": self.before, "after": self.after}
        head["review"] = self.review
        content = b""
        if isinstance(self.pixels, PixelRuns):
            head["runs"], content = self.pixels.to_bytes()
        elif self.pixels is not None:
            content = self.pixels.to_bytes()
            head["labels"] = True
        if self.is_base:
            head["base"] = True
        head = {name: value for name, value in head.items() if value is not None}
        text = json.dumps(head, separators=(",", ":"), default=plain_value).encode()
        return zlib.compress(_COUNT.pack(len(text)) + text + content, 6 if len(content) < 2**20 else 1)

    @classmethod
    def from_bytes(cls, content: bytes, shape: tuple[int, ...], dtype: str) -> "Entry":
        """What `to_bytes` gave, for a label array of this shape and dtype."""
        content = zlib.decompress(content)
        start = _COUNT.size + _COUNT.unpack_from(content)[0]
        head = json.loads(content[_COUNT.size : start])
        pixels: PixelRuns | PackedLabels | None = None
        if "runs" in head:
            pixels = PixelRuns.from_bytes(head["runs"], content[start:], shape, dtype)
        elif "labels" in head:
            pixels = PackedLabels.from_bytes(content[start:])
        return cls(
            head["kind"],
            pixels,
            head.get("before"),
            head.get("after"),
            head.get("review"),
            head.get("base", False),
        )


def is_note(body: bytes) -> bool:
    """Whether an entry is no step, see `Entry.is_step`, without reading all of it."""
    start = zlib.decompressobj().decompress(body, 64)[_COUNT.size :]
    return start.startswith((f'{{"kind":"{REVIEWED}"'.encode(), f'{{"kind":"{SAVED}'.encode()))


def framed(number: int, body: bytes) -> bytes:
    """A body with its mark, its length, its number in the journal and a check sum."""
    return _FRAME.pack(_MARK, len(body), number, _check(number, body)) + body


@dataclass(frozen=True, slots=True)
class Frames:
    """What can be read of a journal's bytes.

    Attributes
    ----------
    bodies : list of bytes
        Bodies of the frames that are whole, in order.
    good : int
        Bytes up to the end of the last one.
    is_torn : bool
        Whether a frame follows that ends too early, as one does that was being written when the power failed.
    is_damaged : bool
        Whether what follows is no frame, or one whose check sum is wrong.
    """

    bodies: list[bytes]
    good: int
    is_torn: bool = False
    is_damaged: bool = False


def read_frames(content: bytes, start: int = len(MAGIC)) -> Frames:
    """Read frames until the end, or until one that is torn or damaged."""
    bodies: list[bytes] = []
    while start < len(content):
        head = content[start : start + _FRAME.size]
        if not _MARK.startswith(head[: len(_MARK)]):
            return Frames(bodies, start, is_damaged=True)
        if len(head) < _FRAME.size:
            return Frames(bodies, start, is_torn=True)
        _, length, number, check = _FRAME.unpack(head)
        body = content[start + _FRAME.size : start + _FRAME.size + length]
        if len(body) < length:
            return Frames(bodies, start, is_torn=True)
        if number != len(bodies) or check != _check(number, body):
            return Frames(bodies, start, is_damaged=True)
        bodies.append(body)
        start += _FRAME.size + length
    return Frames(bodies, start)


def _check(number: int, body: bytes) -> int:
    return zlib.crc32(body, number)
