"""Peak memory of a fresh process that segments one large plane, image and labels included.

python benchmarks/memory.py [--edge 8192] [--model nuclei]
"""

import argparse
import json
import resource
import subprocess
import sys
import time

FIELD = 1024


def measure(edge: int, model: str) -> dict[str, float]:
    """Segment an (edge, edge) uint16 image in this process, and look at its peak memory."""
    import numpy as np

    from napari_cellseg.images.simulation import simulate_fluorescence
    from napari_cellseg.pipeline import segment

    field = simulate_fluorescence((FIELD, FIELD), seed=1).image
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    image = np.tile(field, (-(-edge // FIELD),) * 2)[:edge, :edge].copy()
    started = time.perf_counter()
    found = segment(image, model, device="cpu")
    return {
        "edge": edge,
        "seconds": round(time.perf_counter() - started, 1),
        "objects": len(found.features),
        "image_mb": image.nbytes / 1e6,
        "labels_mb": found.labels.nbytes / 1e6,
        "before_mb": before / 1e3,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        **{f"{stage}_s": s for stage, s in found.provenance["seconds"].items()},
    }


def main() -> None:
    """Measure in a process of its own and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", type=int, default=8192)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        print(json.dumps(measure(arguments.edge, arguments.model)))
        return
    command = [sys.executable, __file__, "--inside", "--model", arguments.model]
    command += ["--edge", str(arguments.edge)]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(finished.stdout.splitlines()[-1])
    for name, value in found.items():
        print(f"{name:>14}: {value:,.1f}")
    print(f"peak below 1.5 GB: {'yes' if found['peak_mb'] < 1500 else 'NO'}")


if __name__ == "__main__":
    main()
