"""Time and memory of segmenting on this machine, split into scaling, network and decoding.

python benchmarks/segment.py [--model nuclei] [--device cpu] [--repeat 5] [--diameter PX|auto]

Each image is segmented in a process of its own, so that its peak memory is its own. Scaling is everything
before the network: intensities, reading, resampling, and the first look that measures the objects. Decoding
is everything after it: blending of tiles, maps to objects, painting.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

CASES = {
    "704 x 520": ((520, 704), (20.0, 38.0), None),
    "704 x 520, small objects": ((520, 704), (9.0, 13.0), None),
    "1536 x 2048": ((1536, 2048), (20.0, 38.0), None),
    "1536 x 2048, 2,000 objects": ((1536, 2048), (14.0, 30.0), 2000),
    "2048 x 2048": ((2048, 2048), (20.0, 38.0), None),
}
SCALING = ("intensities", "reading", "sizing")
DECODING = ("blending", "decoding", "merging", "painting")


def main() -> None:
    """Segment simulated fields and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--diameter", help="pixels, or auto; the card's default otherwise")
    parser.add_argument("--inside", choices=sorted(CASES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(measure(options)))
        return
    heads = ("objects", "seconds", "scaling", "network", "decoding", "other", "peak MB")
    print(f"{'image':>27} " + " ".join(f"{head:>9}" for head in heads))
    for name in CASES:
        command = [sys.executable, __file__, *sys.argv[1:], "--inside", name]
        finished = subprocess.run(command, check=True, capture_output=True, text=True)
        show(name, json.loads(finished.stdout.splitlines()[-1]))


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Medians of several runs, after a first one that compiles and loads."""
    from napari_cellseg.images.simulation import simulate_fluorescence
    from napari_cellseg.pipeline import segment

    shape, diameter, objects = CASES[options.inside]
    image = simulate_fluorescence(shape, diameter=diameter, objects=objects, seed=1).image
    given = options.diameter
    size = float(given) if given not in (None, "auto") else given
    segment(image, options.model, device=options.device, diameter=size)
    runs = []
    for _ in range(options.repeat):
        started = time.perf_counter()
        found = segment(image, options.model, device=options.device, diameter=size)
        runs.append({**found.provenance["seconds"], "all": time.perf_counter() - started})
    stages = {stage for run in runs for stage in run}
    medians = {stage: statistics.median(run.get(stage, 0.0) for run in runs) for stage in stages}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return {**medians, "objects": len(found.features), "peak": peak}


def show(name: str, found: dict[str, float]) -> None:
    """Print one row."""
    whole, network = found["all"], found["network"]
    scaling = sum(found.get(stage, 0.0) for stage in SCALING)
    decoding = sum(found.get(stage, 0.0) for stage in DECODING)
    parts = (whole, scaling, network, decoding, whole - scaling - network - decoding)
    seconds = " ".join(f"{part:9.3f}" for part in parts)
    print(f"{name:>27} {found['objects']:9,} {seconds} {found['peak']:9,.0f}", flush=True)


if __name__ == "__main__":
    main()
