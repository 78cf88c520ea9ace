"""Time of segmenting on this machine, and the share spent outside the network.

python benchmarks/segment.py [--model nuclei] [--device cpu] [--repeat 5]
"""

import argparse
import statistics
import time

import numpy as np

from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.pipeline import segment

CASES = {
    "704 x 520": ((520, 704), (20.0, 38.0)),
    "2048 x 2048": ((2048, 2048), (20.0, 38.0)),
    "2048 x 2048, dense": ((2048, 2048), (10.0, 16.0)),
}


def main() -> None:
    """Segment simulated fields and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    heads = " ".join(f"{head:>8}" for head in ("objects", "seconds", "network", "outside"))
    print(f"{'image':>20} {heads} {'of it':>6}  stages outside")
    for name, (shape, diameter) in CASES.items():
        image = simulate_fluorescence(shape, diameter=diameter, seed=1).image
        show(name, image, options)


def show(name: str, image: np.ndarray, options: argparse.Namespace) -> None:
    """Segment one image several times, after a first one that compiles and loads."""
    segment(image, options.model, device=options.device)
    runs = []
    for _ in range(options.repeat):
        started = time.perf_counter()
        found = segment(image, options.model, device=options.device)
        runs.append({**found.provenance["seconds"], "all": time.perf_counter() - started})
    median = {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]}
    whole, network = median.pop("all"), median.pop("network")
    median.pop("total")
    outside = whole - network
    stages = ", ".join(f"{stage} {1e3 * seconds:.0f}" for stage, seconds in median.items() if seconds > 5e-4)
    print(
        f"{name:>20} {len(found.features):8,} {whole:8.3f} {network:8.3f} {outside:8.3f} "
        f"{outside / whole:6.0%}  {stages} ms"
    )


if __name__ == "__main__":
    main()
