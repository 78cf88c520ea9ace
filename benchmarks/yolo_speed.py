"""Time and memory of `segment` with the same weights as `.pt` and as `.onnx`.

Each image is segmented in a process of its own, so that its peak memory is its own; the first run, which
compiles and loads, does not count. Runs on Linux.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from yolo_parity import export

CASES = {"704 x 520": (520, 704), "2048 x 1536": (1536, 2048)}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this part."""
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument(
        "--size", type=int, default=640, help="edge that the ONNX file is exported for, pixels"
    )
    parser.add_argument("--exports", type=Path, help="folder for the export; else a temporary one")
    parser.add_argument(
        "--trust", action="store_true", help="trust the .pt file from now on, as segment asks"
    )
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Segment simulated fields and print medians."""
    if options.inside:
        print(json.dumps(measure(options)))
        return 0
    if options.trust:
        from napari_cellseg.models.trust import trust_file

        trust_file(options.weights)
    heads = ("image", "file", "device", "objects", "seconds", "network", "peak memory, MB")
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    with tempfile.TemporaryDirectory() as temporary:
        onnx = export(options.weights, options.size, options.exports or Path(temporary), dynamic=True)
        for case in CASES:
            for file in (options.weights, onnx):
                command = [sys.executable, *sys.argv, "--inside", case, str(file)]
                finished = subprocess.run(command, check=True, capture_output=True, text=True)
                told = json.loads(finished.stdout.splitlines()[-1])
                cells = (case, file.suffix, told["device"], told["objects"], f"{told['seconds']:.2f}")
                print(
                    f"| {' | '.join(map(str, cells))} | {told['network']:.2f} | {told['peak']:.0f} |",
                    flush=True,
                )
    return 0


def measure(options: argparse.Namespace) -> dict[str, float | str]:
    """Medians of several runs, in this process."""
    from napari_cellseg.images.simulation import simulate_fluorescence
    from napari_cellseg.pipeline import segment

    case, file = options.inside
    image = simulate_fluorescence(CASES[case], seed=1).image
    segment(image, file, device=options.device)
    seconds, network = [], []
    for _ in range(options.repeat):
        start = time.perf_counter()
        found = segment(image, file, device=options.device)
        seconds.append(time.perf_counter() - start)
        network.append(found.provenance["seconds"]["network"])
    return {
        "device": found.provenance["model"]["device"],
        "objects": len(found.features),
        "seconds": median(seconds),
        "network": median(network),
        "peak": peak_memory(),
    }


def peak_memory() -> float:
    """Most memory of this process so far, MB; `getrusage` would begin with the peak of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1e3
