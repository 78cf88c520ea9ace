"""Groups of features run over the objects of one plane, on several threads."""

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from time import monotonic
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.features.choosing import Chosen
from napari_cellseg.features.feature import Columns, Group
from napari_cellseg.features.objects import Objects

PATIENCE = 0.1
"""Seconds after which a job that waits for a result says that it is alive, so that it can be cancelled."""
THREADS = 8
SMALL = 1 << 16
"""Pixels of boxes up to which objects are measured at once, which takes less time than to start a thread."""

Result = TypeVar("Result")
Extra = Callable[..., float]
Share = Generator[float, None, Result]
"""Yields the finished share, 0 to 1, and returns a result."""


def run_groups(
    chosen: Chosen,
    objects: Objects,
    everyone: Objects,
    image: NDArray[Any] | None,
    names: Mapping[str, Sequence[Any]],
) -> "Share[dict[Group, Columns]]":
    """Measure groups: in chunks what each object has by itself, at once what needs all of them.

    Parameters
    ----------
    chosen : mapping of Group
        What to measure.
    objects : Objects
        The objects.
    everyone : Objects
        All objects in the same labels.
    image : (Y, X, C) or (Z, Y, X, C) ndarray, optional
        Their image.
    names : mapping
        ``"channels"``: names of the channels; ``"classes"``: a name or None for each of `everyone`;
        ``"kinds"``: the classes.
    """
    chunks = list(objects.chunks()) or [objects]
    arguments: dict[str, tuple[Any, ...]] = {
        "labels": (),
        "image": (image, names["channels"]),
        "classes": (names["classes"], names["kinds"]),
    }
    parts = {
        (group, i): (*part, *arguments[group.needs])
        for group in sorted(chosen, key=lambda group: group.alone)
        for i, part in enumerate([(c,) for c in chunks] if group.alone else [(objects, everyone)])
    }
    if len(objects) < len(everyone) and is_small(objects):
        return {group: group.measure(*parts[group, 0]) for group in chosen}
    pool = ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1), thread_name_prefix="measure")
    try:
        tasks = {part: pool.submit(part[0].measure, *parts[part]) for part in parts}
        yield from _progress(list(tasks.values()))
        found = _joined(tasks)
        return {group: found[group] for group in chosen}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def is_small(objects: Objects) -> bool:
    """Whether objects are measured in a moment, so that no thread is worth its start."""
    sides = objects.boxes[:, objects.ndim :] - objects.boxes[:, : objects.ndim]
    return int(np.prod(sides, axis=1).sum()) <= SMALL


def _progress(futures: list[Future[Columns]]) -> Generator[float, None, None]:
    left = set(futures)
    while left:
        done, left = wait(left, PATIENCE, FIRST_COMPLETED)
        for future in done:
            future.result()
        yield 1 - len(left) / len(futures)


def _joined(tasks: Mapping[tuple[Group, int], Future[Columns]]) -> dict[Group, Columns]:
    parts: dict[Group, list[Columns]] = {}
    for (group, _), future in tasks.items():
        parts.setdefault(group, []).append(future.result())
    return {
        group: {name: np.concatenate([part[name] for part in found]) for name in found[0]}
        for group, found in parts.items()
    }


def run_aside(function: Callable[[], Result], at_once: bool = False) -> "Share[Result]":
    """Call a function on another thread and yield while it runs; `at_once` where it takes but a moment."""
    if at_once:
        return function()
    pool = ThreadPoolExecutor(1, thread_name_prefix="measure")
    try:
        future = pool.submit(function)
        while wait([future], PATIENCE).not_done:
            yield 0.0
        return future.result()
    finally:
        pool.shutdown(wait=False)


def run_extra(extra: Mapping[str, Extra], objects: Objects, image: NDArray[Any] | None) -> "Share[Columns]":
    """Measure with a user's functions, one object after the other.

    Raises
    ------
    OptionError
        Where a function fails, or returns no number.
    """
    ndim = objects.ndim
    columns: Columns = {name: np.full(len(objects), np.nan) for name in extra}
    if not extra:
        return columns
    last = monotonic()
    for i, (label, box) in enumerate(zip(objects.ids.tolist(), objects.boxes.tolist(), strict=True)):
        window = tuple(slice(a, b) for a, b in zip(box[:ndim], box[ndim:], strict=True))
        mask = objects.labels[window] == label
        pixels = None if image is None else image[window]
        if pixels is not None and pixels.shape[-1] == 1:
            pixels = pixels[..., 0]
        for name, function in extra.items():
            columns[name][i] = _called(name, function, label, mask, pixels)
        if monotonic() - last > PATIENCE / 2:
            last = monotonic()
            yield i / len(objects)
    yield 1.0
    return columns


def _called(name: str, function: Extra, label: int, mask: NDArray[Any], pixels: NDArray[Any] | None) -> float:
    try:
        return float(function(mask, pixels))
    except Exception as error:
        raise OptionError(
            f"extra '{name}' must return one number for a mask (and the intensities or None); "
            f"for object {label} it failed: {type(error).__name__}: {error}"
        ) from error
