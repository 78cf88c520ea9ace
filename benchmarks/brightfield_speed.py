"""Seconds of an image of 704 × 520 pixels: an ensemble of bright-field U-Nets beside its members.

python benchmarks/brightfield_speed.py RUN [--device cpu] [--threads 2] [--precision float16]

RUN is the folder of a finished training, such as that of ``brightfield_members.py``. ``segment`` is the whole
way from pixels to labels, as users have it; the other columns are the networks alone, on the nine tiles of
256 × 256 pixels that cover the image, so many tiles at once. Medians of several runs, after a first one that
does not count. ``--clock processor`` adds up the time of all threads, which other programs change little.
Members are exported for it, which needs torch; a GPU also ``onnxruntime-gpu``.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.images.simulation import simulate_brightfield
from napari_cellseg.models.card import ModelCard, read_card
from napari_cellseg.models.devices import THREADS_VARIABLE
from napari_cellseg.models.networks.ensemble import Ensemble, write_ensemble
from napari_cellseg.models.protocols import PixelModel
from napari_cellseg.models.registry import load_model
from napari_cellseg.pipeline import segment
from napari_cellseg.training.memory import process_memory
from napari_cellseg.training.runs.run import RunFolder
from napari_cellseg.training.unets.report_tables import markdown_table
from napari_cellseg.training.unets.training import CANDIDATES
from napari_cellseg.training.unets.weights import MemberFiles

SHAPE = (520, 704)
EDGE = 256
BATCHES = (1, 2, 4, 8)


def image_tiles(image: NDArray[Any]) -> NDArray[np.float32]:
    """The tiles that cover an image side by side, (N, 3, 256, 256), 0 to 1; its border is reflected."""
    scaled = (image / image.max()).astype(np.float32)
    padded = np.pad(scaled, [(0, -n % EDGE) for n in scaled.shape], mode="reflect")
    rows, columns = (n // EDGE for n in padded.shape)
    tiles = padded.reshape(rows, EDGE, columns, EDGE).swapaxes(1, 2).reshape(-1, 1, EDGE, EDGE)
    return np.ascontiguousarray(np.repeat(tiles, 3, axis=1))


CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


def seconds(work: Callable[[], object], options: argparse.Namespace) -> float:
    """Median time of a call, after a first one."""
    clock = CLOCKS[options.clock]
    work()
    found = []
    for _ in range(options.repeat):
        started = clock()
        work()
        found.append(clock() - started)
    return statistics.median(found)


def exported(run: RunFolder, folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """The ensemble, then each network at its best, as files; each is removed when the next is asked for."""
    recipe = run.read_recipe()[1]
    card = read_card(Path(recipe["model"]).with_suffix(".json"))
    table = pd.read_csv(run.path / CANDIDATES)
    best = table.groupby("member", sort=True).head(1)
    chosen = {"ensemble": table[table["votes"]], **dict(tuple(best.groupby("member")))}
    for name, rows in chosen.items():
        if options.only and name not in options.only:
            continue
        if name != "ensemble" or options.precision != "float32":
            yield name, export(run, rows, folder / f"{name}.onnx", card, options.precision)
            (folder / f"{name}.onnx").unlink()
        else:
            yield name, Path(recipe["model"])


def export(run: RunFolder, rows: pd.DataFrame, path: Path, card: ModelCard, precision: Any) -> Path:
    """Networks that vote, as one file."""
    files = [(MemberFiles(run.checkpoints / row.member), int(row.epoch)) for row in rows.itertuples()]
    ensemble = Ensemble([of.network(epoch) for of, epoch in files], distance="distance" in card.maps)
    write_ensemble(ensemble, path, card, precision=precision)
    return path


def measure(name: str, model: PixelModel, options: argparse.Namespace) -> dict[str, Any]:
    """A row of the table."""
    image = simulate_brightfield(SHAPE, diameter=(36.0, 64.0), seed=1).image
    tiles = image_tiles(image)
    row: dict[str, Any] = {"model": name, "votes": model.card.recipe["votes"] if name == "ensemble" else 1}
    row["parameters, M"] = round(model.card.parameters / 1e6, 1)
    row["segment"] = seconds(lambda: segment(image, model), options)
    for batch in options.batches:

        def side_by_side(size: int = batch) -> None:
            for first in range(0, len(tiles), size):
                model.predict_maps(tiles[first : first + size])

        row[f"{batch} at once"] = seconds(side_by_side, options)
    return row


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    parser.add_argument("--precision", default="float32", choices=("float32", "float16"))
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, help="tiles at once")
    parser.add_argument("--clock", default="wall", choices=tuple(CLOCKS))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", nargs="+", help="these of its networks, or ensemble")
    options = parser.parse_args()
    os.environ[THREADS_VARIABLE] = str(options.threads)
    rows = []
    with TemporaryDirectory() as folder:
        for name, path in exported(RunFolder(options.run), Path(folder), options):
            rows.append(measure(name, load_model(path, options.device), options))
            print(f"{name}, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    print(markdown_table(pd.DataFrame(rows)))
    how = (options.device, f"{options.threads} threads", options.precision, f"{options.clock} time")
    memory = f"peak memory of the process {process_memory().gigabytes:.1f} GB"
    print(f"\n{', '.join(how)}, {options.repeat} runs; {memory}")


if __name__ == "__main__":
    main()
