"""Time and memory of `measure` beside scikit-image's `regionprops_table`, in one process for each size.

    python benchmarks/measure.py [--cells 1000 10000 100000] [--compared 10000] [--clock wall]

Cells in boxes of about 1,200 pixels, 10,000 of them on 4096 x 4096. scikit-image measures what it has of the
same columns, on a part of the image with about `--compared` cells; its time is scaled to all of them.
`measure` always computes whole groups, more than scikit-image is asked for, on several threads; with
`--clock cpu` the time of all threads is added up, which a busy machine disturbs less.
"""

import argparse
import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import napari_cellseg as cs
from napari_cellseg.features.choosing import family
from napari_cellseg.features.found import FoundObjects
from napari_cellseg.features.registry import groups

Clock = Callable[[], float]
CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}
PITCH = 40.96
"""Pixels from one cell to the next."""


def cells(count: int, seed: int = 0) -> np.ndarray:
    """Lobed cells on a grid, (edge, edge) int32."""
    rng = np.random.default_rng(seed)
    per_row = int(np.ceil(np.sqrt(count)))
    labels = np.zeros((int(np.ceil(per_row * PITCH)),) * 2, np.int32)
    for i in range(count):
        centre = (np.array(divmod(i, per_row)) + 0.5) * PITCH
        long, wide = rng.uniform(0.3, 0.48, 2) * PITCH
        turn = rng.uniform(0, np.pi)
        low = np.maximum(centre.astype(int) - 22, 0)
        y, x = np.ogrid[low[0] : low[0] + 45, low[1] : low[1] + 45]
        y, x = y - centre[0], x - centre[1]
        along, across = y * np.cos(turn) + x * np.sin(turn), x * np.cos(turn) - y * np.sin(turn)
        lobes = 1 + 0.1 * np.sin(5 * np.arctan2(across, along) + turn)
        inside = (along / long) ** 2 + (across / wide) ** 2 < lobes
        window = labels[low[0] : low[0] + 45, low[1] : low[1] + 45]
        window[inside[: window.shape[0], : window.shape[1]]] = i + 1
    return labels


def seconds(work: Callable[[], object], clock: Clock, repeats: int = 3) -> float:
    """Best time."""
    best = np.inf
    for _ in range(repeats):
        started = clock()
        work()
        best = min(best, clock() - started)
    return float(best)


def memory_on_top(work: Callable[[], object]) -> int:
    """Bytes that the process takes on top while it works, looked up every millisecond (Linux)."""
    done = threading.Event()
    pages = [resident_pages()]

    def watch() -> None:
        while not done.wait(0.001):
            pages.append(resident_pages())

    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    done.set()
    watcher.join()
    return (max(pages) - pages[0]) * resource.getpagesize()


def resident_pages() -> int:
    """Memory of this process, in pages."""
    return int(Path("/proc/self/statm").read_text().split()[1])


def default_columns() -> dict[str, list[str]]:
    """Default columns by group, of the groups that have some and need no classes."""
    found = {
        name: [f.name for f in group.features if f.default and 2 in f.dims]
        for name, group in groups(2).items()
        if group.needs != "classes"
    }
    return {name: columns for name, columns in found.items() if columns}


def shared_properties(columns: list[str]) -> list[str]:
    """Properties of scikit-image that are among some columns."""
    from skimage.measure._regionprops import COL_DTYPES

    return list(dict.fromkeys(p for p in map(family, columns) if p in COL_DTYPES))


def compare(count: int, compared: int, clock: Clock) -> dict[str, Any]:
    """All numbers for one size."""
    from skimage.measure import regionprops_table

    labels = cells(count)
    image = np.random.default_rng(1).integers(0, 4000, labels.shape, np.uint16)
    started = time.perf_counter()
    cs.measure(labels[:200, :200], image[:200, :200])
    compiled = time.perf_counter() - started
    peak = memory_on_top(lambda: cs.measure(labels, image))
    edge = min(len(labels), int(np.ceil(np.sqrt(compared) * PITCH)))
    part, part_image = labels[:edge, :edge].copy(), image[:edge, :edge].copy()
    share = len(np.unique(part)[1:]) / count
    columns = default_columns()
    everything = [name for names in columns.values() for name in names]
    rows = {}
    for name, own in {"default set": everything, **columns}.items():
        properties = shared_properties(own)
        ours = seconds(lambda asked=own: cs.measure(labels, image, features=asked), clock)
        theirs = (
            seconds(lambda p=properties: regionprops_table(part, part_image, properties=p), clock, 1) / share
            if properties
            else None
        )
        rows[name] = {"ours": ours, "skimage": theirs, "columns": len(own), "properties": properties}
    few, found = np.arange(1, 11) * (count // 11), FoundObjects()
    cs.measure(labels, features="area", found=found)
    around = {"features": ("default", "neighbours"), "only": few}
    return {
        "cells": count,
        "edge": len(labels),
        "first call": compiled,
        "groups": rows,
        "ten again": {
            "searched": seconds(lambda: cs.measure(labels, image, only=few), clock),
            "found": seconds(lambda: cs.measure(labels, image, only=few, found=found), clock),
            "neighbours searched": seconds(lambda: cs.measure(labels, image, **around), clock),
            "neighbours found": seconds(lambda: cs.measure(labels, image, found=found, **around), clock),
        },
        "labels MB": labels.nbytes / 1e6,
        "peak MB": peak / 1e6,
    }


def report(found: dict[str, Any]) -> None:
    """Print the numbers of one size."""
    count = found["cells"]
    print(f"\n{count:,} cells on {found['edge']} x {found['edge']}")
    print(
        f"  {'group':14} {'columns':>8} {'measure':>10} {'per 1,000':>10} {'scikit-image':>13} {'ratio':>7}"
    )
    for name, row in found["groups"].items():
        ours, theirs = row["ours"], row["skimage"]
        them = f"{theirs:10.2f} s  {theirs / ours:6.0f}x" if theirs is not None else "     has none"
        per = ours / count * 1e6
        print(f"  {name:14} {row['columns']:>8} {ours * 1e3:7.0f} ms {per:7.1f} ms {them}")
    peak = found["peak MB"] / found["labels MB"]
    again = {name: f"{1e3 * value:.1f} ms" for name, value in found["ten again"].items()}
    print(f"  ten cells again: {again['found']}, after a search for all objects {again['searched']}")
    print(f"  with neighbours: {again['neighbours found']}, after a search {again['neighbours searched']}")
    print(f"  first call: {found['first call']:.1f} s, or compiled before")
    print(f"  memory on top: {found['peak MB']:.0f} MB, {peak:.2f} x the labels' {found['labels MB']:.0f} MB")


def main() -> None:
    """Measure each size in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--compared", type=int, default=10_000)
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall", help="cpu: of all threads together")
    parser.add_argument("--inside", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        print(json.dumps(compare(arguments.inside, arguments.compared, CLOCKS[arguments.clock])))
        return
    for count in arguments.cells:
        command = [sys.executable, __file__, "--inside", str(count), "--compared", str(arguments.compared)]
        command += ["--clock", arguments.clock]
        finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        report(json.loads(finished.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
