"""YOLO networks: our decoding beside Ultralytics' own, what the settings for microscopy gain, and speed.

python benchmarks/yolo.py parity --weights FILE.pt [--images FOLDER]
python benchmarks/yolo.py gains --weights FILE.pt --data FOLDER [FOLDER …]
python benchmarks/yolo.py speed --weights FILE.pt [--trust]

Needs ultralytics, and opens the weights with it, which can run code that is inside them: only for files that
you trust. Nothing is downloaded. All tables are Markdown.
"""

import argparse
import sys
from pathlib import Path

import yolo_gains
import yolo_parity
import yolo_speed


def main() -> int:
    """Run one of the three; 1 where the decodings differ by more than is allowed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    for name, module in (("parity", yolo_parity), ("gains", yolo_gains), ("speed", yolo_speed)):
        one = kinds.add_parser(name, help=module.__doc__.splitlines()[0])
        one.add_argument("--weights", type=Path, required=True, help="YOLO segmentation weights, .pt")
        module.add_options(one)
    options = parser.parse_args()
    return {"parity": yolo_parity.run, "gains": yolo_gains.run, "speed": yolo_speed.run}[options.kind](
        options
    )


if __name__ == "__main__":
    sys.exit(main())
