"""The page of all features, from the registry: ``python -m napari_cellseg.features.reference FILE``."""

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from napari_cellseg.features.feature import Feature, Group
from napari_cellseg.features.images import IMAGE_FEATURES
from napari_cellseg.features.registry import GROUPS, unit_of

HEAD = """# All features

Made from the registry by `python -m napari_cellseg.features.reference docs/features.md`.

Columns have scikit-image's names where it has the property, and its values: equal to a relative 10⁻⁶,
orientations modulo π, as property tests over random objects, single pixels, lines, holes, several pieces
and border objects hold. *How it differs* says so where a definition is not scikit-image's, and where people
come from OpenCV, ImageJ or CellProfiler. Units are for pixels whose size is in µm; without a size, lengths
are in px. **Bold** columns are in the default set, as far as an image and classes are there.

With several channels the name of the channel follows after a dash (`intensity_mean-DAPI`), with classes
that of the class. N is the number of pixels, s the size of a pixel along an axis. What is not defined for
an object is NaN.
"""

NEEDS = {
    "labels": "",
    "image": " Needs an image.",
    "classes": " Needs classes: a column `class` in the table.",
}


TABLE = """| column | unit | what it is | formula | source | how it differs |
|---|---|---|---|---|---|
"""

IMAGES = """
## Whole images

`napari_cellseg.measure_images` gives a row for each image, plane or volume; classes and
several channels end the names as above. The quality of the image is measured in planes.

"""


def feature_reference() -> str:
    """The whole page as Markdown."""
    defaults = [f.name for g in GROUPS for f in g.features if f.default]
    parts = [
        HEAD,
        "\n## The default set\n",
        f"\n{', '.join(f'`{name}`' for name in dict.fromkeys(defaults))}\n",
    ]
    for group in GROUPS:
        parts.append(f"\n## {group.name}\n\n{_about(group)}\n\n")
        parts += [TABLE, *(_row(family) for family in _families(group.features))]
    parts += [IMAGES, TABLE, *(_row([feature]) for feature in IMAGE_FEATURES)]
    return "".join(parts)


def _about(group: Group) -> str:
    """What a group is measured from, and in how many dimensions."""
    dims = sorted({d for f in group.features for d in f.dims})
    words = {(2,): "In planes.", (3,): "In volumes.", (2, 3): "In planes and volumes."}[tuple(dims)]
    return words + NEEDS[group.needs]


def _families(features: Sequence[Feature]) -> Iterator[list[Feature]]:
    """Neighbouring features that differ in a number at the end of their name only."""

    def key(f: Feature) -> tuple[str, ...]:
        return f.name.split("-")[0], f.definition, f.formula, f.note, f.quantity

    for _, members in groupby(features, key):
        yield list(members)


def _row(family: Sequence[Feature]) -> str:
    first = family[0]
    name = f"`{first.name}`" + (f" … `{family[-1].name}`" if len(family) > 1 else "")
    name = f"**{name}**" if first.default else name
    units = dict.fromkeys(unit_of(f, "µm") for f in family)
    cells = [name, ", ".join(units), first.definition, first.formula, first.source, first.note]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def main(arguments: Sequence[str]) -> None:
    """Write the page to the file that is named."""
    if len(arguments) != 1:
        raise SystemExit(
            "Name the file to write: python -m napari_cellseg.features.reference docs/features.md"
        )
    Path(arguments[0]).write_text(feature_reference(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
