"""What formats of annotated images keep, and what they cost.

    python benchmarks/datasets.py losses [--data FOLDER ...]
    python benchmarks/datasets.py costs [--images 200] [--objects 30000] [--formats coco yolo ...]

*losses* writes and reads back the validation images of folders with `images/NAME.png`, `labels/NAME.png` and
`split.json`, and the nasty annotations of the tests; objects are paired one to one with those that come back.
*costs* adds simulated nuclei to a dataset and takes the time and the peak memory of fresh processes for each
format: exported from the dataset, its loss told first, and imported into a new dataset. Linux only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np

NASTY = Path(__file__).parents[1] / "tests" / "datasets" / "nasty.py"
FIELD = 512
"""Rows and columns of a simulated image."""
SYMMETRIES = 8


def nasty_samples() -> list[Any]:
    """The samples that tests use to break formats."""
    spec = spec_from_file_location("nasty", NASTY)
    if spec is None or spec.loader is None:
        raise SystemExit(f"There is no '{NASTY}'.")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.nasty_samples())


def real_samples(folder: Path) -> Iterator[Any]:
    """Validation images of a folder, one by one."""
    from napari_cellseg.datasets.annotation import Annotation
    from napari_cellseg.datasets.sample import Sample
    from napari_cellseg.images.reading import read_image

    def pixels(path: Path) -> np.ndarray:
        data = np.asarray(read_image(path).data)
        return data if data.ndim == 2 else data[..., :3]

    for name in json.loads((folder / "split.json").read_text())["val"]:
        labels = np.asarray(read_image(folder / "labels" / f"{name}.png").data)
        image = folder / "images" / f"{name}.png"
        yield Sample(name, Annotation.from_labels(labels), lambda path=image: pixels(path), split="val")


def simulated_samples(images: int, objects: int) -> Iterator[Any]:
    """Fields of nuclei, each in its eight symmetries."""
    from napari_cellseg.datasets.annotation import Annotation
    from napari_cellseg.datasets.sample import Origin, Sample
    from napari_cellseg.images.simulation import simulate_fluorescence

    each = objects // images
    for k in range(images):
        if k % SYMMETRIES == 0:
            field = simulate_fluorescence(
                (FIELD, FIELD), objects=each, diameter=(14, 26), seed=k // SYMMETRIES
            )
        turned = [np.rot90(a, k % 4) for a in (field.image, field.labels)]
        image, labels = (a.T.copy() if k % SYMMETRIES > 3 else a.copy() for a in turned)
        origin = Origin(group=f"well {k // SYMMETRIES}")
        yield Sample(f"field_{k:04d}", Annotation.from_labels(labels), lambda a=image: a, origin=origin)


def object_masks(annotation: Any) -> list[tuple[str, Any]]:
    """Class and trimmed whole mask of each object."""
    return [
        (name, mask.trimmed())
        for name, mask in zip(annotation.objects["class"], annotation.masks(), strict=True)
    ]


def paired_iou(before: Any, after: Any) -> np.ndarray:
    """IoU of each object with the one of its class that it is paired with, one to one, 0 for none."""
    ours, theirs = object_masks(before), object_masks(after)
    iou = np.zeros(len(ours))
    equal: dict[Any, list[int]] = {}
    for k, (name, mask) in enumerate(theirs):
        equal.setdefault((name, mask.box, mask.pixels.tobytes()), []).append(k)
    free = set(range(len(theirs)))
    changed = []
    for k, (name, mask) in enumerate(ours):
        same = equal.get((name, mask.box, mask.pixels.tobytes()))
        if same:
            iou[k] = 1
            free.discard(same.pop())
        else:
            changed.append(k)
    boxes = {k: theirs[k][1].box for k in free}
    pairs = []
    for k in changed:
        name, mask = ours[k]
        for other, box in boxes.items():
            if theirs[other][0] == name and meet(mask.box, box):
                pairs.append((overlap(mask, theirs[other][1]), k, other))
    for value, k, other in sorted(pairs, reverse=True):
        if iou[k] == 0 and other in free and value > 0:
            iou[k] = value
            free.discard(other)
    return iou


def meet(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether two boxes ``y0, x0, y1, x1`` have a pixel in common."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def overlap(a: Any, b: Any) -> float:
    """Intersection over union of two masks."""
    y0, x0 = max(a.top, b.top), max(a.left, b.left)
    y1, x1 = min(a.box[2], b.box[2]), min(a.box[3], b.box[3])
    parts = [m.pixels[y0 - m.top : y1 - m.top, x0 - m.left : x1 - m.left] for m in (a, b)]
    common = int(np.count_nonzero(parts[0] & parts[1]))
    return common / (a.area + b.area - common)


def classes_of(samples: Iterable[Any]) -> list[str]:
    """All classes of some samples."""
    return sorted({name for sample in samples for name in sample.annotation.class_names()}) or ["cell"]


def round_trip(name: str, samples: Callable[[], Iterable[Any]]) -> dict[str, Any]:
    """Write and read samples; what is left of their objects."""
    from napari_cellseg.datasets.formats.registry import find_format
    from napari_cellseg.datasets.names import safe_name

    found = find_format(name)
    with tempfile.TemporaryDirectory() as folder:
        for _ in found.write(samples(), Path(folder), classes_of(samples())):
            pass
        after = {sample.name: sample.annotation for sample in found.read(Path(folder), [])}
    iou: list[float] = []
    come = 0
    for sample in samples():
        back = after.get(safe_name(sample.name))
        iou.extend(np.zeros(len(sample.annotation)) if back is None else paired_iou(sample.annotation, back))
        come += 0 if back is None else len(back)
    values = np.array(iou)
    return {
        "objects": len(values),
        "back": come,
        "kept": int((values > 0).sum()),
        "identical": int((values == 1).sum()),
        "mean": float(values.mean()),
        "worst": float(values.min()),
    }


def losses(data: list[Path], formats: list[str]) -> None:
    """Print the table of what formats keep."""
    sets: dict[str, Callable[[], Iterable[Any]]] = {
        folder.name: lambda folder=folder: real_samples(folder) for folder in data
    }
    sets["nasty"] = nasty_samples
    print("| format | set | objects | come back | identical | mean IoU | worst IoU |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for name in formats:
        for title, samples in sets.items():
            row = round_trip(name, samples)
            print(
                f"| {name} | {title} | {row['objects']:,} | {row['kept']:,} | {row['identical']:,} | "
                f"{row['mean']:.4f} | {row['worst']:.3f} |",
                flush=True,
            )


def peak() -> float:
    """Peak memory of this process in MB (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


def step(what: str, name: str, folder: Path, images: int, objects: int) -> dict[str, float]:
    """One step of the costs, in this process."""
    from napari_cellseg.datasets.store import Dataset
    from napari_cellseg.events import drain

    dataset, out = folder / "dataset", folder / name
    before = peak()
    started = time.perf_counter()
    count = 0
    if what == "made":
        drain(Dataset.create(dataset).adding(simulated_samples(images, objects), images))
        count = int(sum(len(s.annotation) for s in simulated_samples(images, objects)))
    elif what == "exported":
        Dataset.open(dataset).export(name, out)
    else:
        with tempfile.TemporaryDirectory(dir=folder) as new:
            into = Dataset.create(Path(new, "d"))
            into.import_from(out, name)
            count = len(into)
    return {"seconds": time.perf_counter() - started, "peak": peak(), "before": before, "count": count}


def costs(images: int, objects: int, formats: list[str]) -> None:
    """Print the table of time and memory."""
    with tempfile.TemporaryDirectory() as folder:

        def run(what: str, name: str = "dataset") -> dict[str, float]:
            command = [sys.executable, __file__, "inside", what, name, folder, str(images), str(objects)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            return dict(json.loads(done.stdout.splitlines()[-1]))

        made = run("made")
        print(f"{images} images, {made['count']:,.0f} objects, simulated and added: {made['seconds']:.0f} s")
        print(
            f"peak memory {made['peak']:.0f} MB, of which {made['before']:.0f} MB before anything was done\n"
        )
        print("| format | export | peak | import | peak |")
        print("|---|---:|---:|---:|---:|")
        for name in formats:
            rows = [run(what, name) for what in ("exported", "imported")]
            cells = " | ".join(f"{r['seconds']:.1f} s | {r['peak']:.0f} MB" for r in rows)
            print(f"| {name} | {cells} |", flush=True)


def main() -> None:
    """Measure what is asked for."""
    if sys.argv[1:2] == ["inside"]:
        what, name, folder, images, objects = sys.argv[2:]
        print(json.dumps(step(what, name, Path(folder), int(images), int(objects))))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("losses", "costs"))
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--objects", type=int, default=30_000)
    parser.add_argument("--formats", nargs="+")
    arguments = parser.parse_args()
    formats = arguments.formats or known_formats()
    if arguments.what == "losses":
        losses(arguments.data, formats)
    else:
        costs(arguments.images, arguments.objects, formats)


def known_formats() -> list[str]:
    """Names of all formats, asked for in a process of its own: memory is inherited."""
    registry = "napari_cellseg.datasets.formats.registry"
    code = f"import {registry} as registry; print(*(f.name for f in registry.list_formats()))"
    return subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split()


if __name__ == "__main__":
    main()
