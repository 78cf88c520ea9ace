"""Changes of a dataset by a script, the same in every process; run as a program it goes on until killed.

python tests/datasets/scripted_changes.py FOLDER FIRST_STEP
"""

import hashlib
import sys
from pathlib import Path

import numpy as np

from napari_cellseg.datasets.store import Dataset

SHAPE = (24, 28)
SPLITS = ("train", "val", "test")

State = dict[str, tuple[int, str]]
"""What is in the dataset: the step that an image was written in and its split, by name."""


def image(step):
    """Pixels and labels of a step."""
    rng = np.random.default_rng(step)
    labels = np.zeros(SHAPE, np.int32)
    labels[2 : 6 + step % 9, 3:9] = 1 + step % 5
    labels[18:22, 12:20] = 7 + step % 3
    pixels = rng.integers(0, 60000, SHAPE).astype(np.uint16)
    pixels[0, 0] = step
    return pixels, labels


def after(state: State, step: int) -> State:
    """The state after a step; the dataset is not looked at."""
    kind, name = step % 7, f"image {step // 7 % 5}"
    done = dict(state)
    if kind in (0, 1, 2, 4):
        done[f"{name}.{kind % 4}"] = (step, done.get(f"{name}.{kind % 4}", (0, SPLITS[step % 3]))[1])
    elif kind == 3 and state:
        first = min(state)
        done[first] = (state[first][0], SPLITS[step % 3])
    elif kind == 5 and len(state) > 3:
        del done[max(state)]
    elif kind == 6:
        done = {name: (written, SPLITS[step % 3]) for name, (written, _) in state.items()}
    return done


def change(dataset: Dataset, step: int) -> None:
    """Do a step."""
    before = {name: (0, dataset.record(name).split) for name in dataset.names}
    target = after(before, step)
    written = [name for name, (at, _) in target.items() if at == step]
    for name in written:
        pixels, labels = image(step)
        ignored = labels == labels.max() if step % 2 else None
        dataset.add(pixels, labels, name=name, split=SPLITS[step % 3], ignored=ignored)
    gone = [name for name in before if name not in target]
    if gone:
        dataset.remove(gone)
    moved = [name for name in before if name in target and before[name][1] != target[name][1]]
    if moved:
        dataset.move(moved, SPLITS[step % 3])


def check(folder: Path) -> State:
    """The state of a dataset; its files must be what its records say, and no others."""
    dataset = Dataset.open(folder)
    assert not dataset.broken
    state: State = {}
    named = set()
    for name in dataset.names:
        record = dataset.record(name)
        for path, expected in record.files.items():
            assert hashlib.sha256((folder / path).read_bytes()).hexdigest() == expected, path
        named |= set(record.files)
        sample = dataset.sample(name)
        step = int(sample.pixels()[0, 0])
        np.testing.assert_array_equal(sample.pixels(), image(step)[0])
        np.testing.assert_array_equal(sample.annotation.labels, image(step)[1])
        state[name] = (step, record.split)
    kinds = ("images", "labels", "masks", "covered", "ignored", "source")
    there = {p.relative_to(folder).as_posix() for kind in kinds for p in (folder / kind).rglob("*.*")}
    assert there == named
    assert not list((folder / ".staging").glob("*"))
    return state


if __name__ == "__main__":
    opened = Dataset.open(Path(sys.argv[1]))
    for number in range(int(sys.argv[2]), 400):
        change(opened, number)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
