"""The commands about datasets."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_cellseg.cli.dataset_words import added_words, counts_words, finding_words, imported_words
from napari_cellseg.cli.terminal import ProgressView, print_error, run_job
from napari_cellseg.errors import DatasetError, OptionError
from napari_cellseg.events import Progress

if TYPE_CHECKING:
    from napari_cellseg.datasets.formats.label_files import LabelledImage
    from napari_cellseg.datasets.sample import Region, Sample, Split
    from napari_cellseg.datasets.selection import Only
    from napari_cellseg.datasets.stacks import Told
    from napari_cellseg.datasets.store import Dataset

FOUND = 1
"""Exit code where a check finds an error."""

app = typer.Typer(
    help="Collect corrected images for training; import, export and check them.", no_args_is_help=True
)

Folder = Annotated[Path, typer.Argument(metavar="DATASET", help="The dataset's folder.", show_default=False)]
SplitName = Annotated[
    str | None, typer.Option("--split", help="train, val or test.", show_default="by group, see docs")
]
Format = Annotated[
    str | None,
    typer.Option("--format", "-f", help="Its name, see: dataset formats.", show_default="recognised"),
]
Images = Annotated[
    Path | None, typer.Option(help="The folder of the images, where they are elsewhere.", show_default=False)
]
GroupPattern = Annotated[
    str | None,
    typer.Option(
        help="Regular expression for the group in an image's name, such as '^(plate[0-9]+)'; a group is "
        "kept in one split.",
        show_default="none",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def create(
    dataset: Folder,
    classes: Annotated[str, typer.Option(help="Names with commas; their order is their number.")] = "cell",
    fractions: Annotated[str, typer.Option(help="Shares of train, val and test.")] = "0.8,0.1,0.1",
    seed: Annotated[int, typer.Option(help="Decides where shares do not.")] = 0,
    scaling: Annotated[
        str, typer.Option(help="Percentiles that become black and white in the 8-bit pictures.")
    ] = "1,99.8",
) -> None:
    """Make an empty dataset."""
    from napari_cellseg.datasets.store import Dataset

    Dataset.create(
        dataset,
        [name.strip() for name in classes.split(",")],
        seed=seed,
        fractions=_numbers(fractions, "--fractions", 3),
        scaling=_numbers(scaling, "--scaling", 2),
    )
    typer.echo(f"{dataset}: an empty dataset")


@app.command()
def add(
    dataset: Folder,
    image: Annotated[
        Path, typer.Argument(metavar="IMAGE", help="An image, or a folder of them.", show_default=False)
    ],
    labels: Annotated[
        Path | None,
        typer.Argument(
            metavar="[LABELS]",
            help="Its label image, or a folder of them.",
            show_default="in the folder of the images",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What to call the image, if it is one.", show_default="the file's")
    ] = None,
    group: Annotated[str, typer.Option(help="What it shares a split with: a plate, well, patient.")] = "",
    group_pattern: GroupPattern = None,
    split: SplitName = None,
    region: Annotated[
        str | None,
        typer.Option(help="Only this part: first row, first column, last row + 1, last column + 1."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            help="'accepted': the box around the objects that a person accepted, edited or added, by the "
            "saved tables; pixels of all others are ignored.",
            show_default="all objects",
        ),
    ] = None,
    class_: Annotated[
        str, typer.Option("--class", help="Of objects that no saved table gives one.")
    ] = "cell",
    status: Annotated[
        str,
        typer.Option(help="Of objects that no saved table gives one: accepted, edited, added, predicted."),
    ] = "accepted",
    axes: Annotated[
        str | None,
        typer.Option(help="A letter per dimension of the image: T Z C Y X S.", show_default="the file's"),
    ] = None,
    pixel_size: Annotated[float | None, typer.Option(help="µm per pixel.", show_default="the file's")] = None,
    made_by: Annotated[str, typer.Option(help="The person or model that annotated.")] = "",
) -> None:
    """Add images with their label images, or replace those that are there; all of them or none.

    Files belong together by their names: a_labels.tif, a_masks.png and a_seg.npy are of a.tif. Class, status,
    confidence and origin come from NAME_features.csv beside the labels. A stack gives an image per plane.
    """
    from napari_cellseg.datasets.sample import Origin
    from napari_cellseg.datasets.selection import selected
    from napari_cellseg.datasets.stacks import Told

    _check_status(status)
    wanted = _only(only)
    opened = _open(dataset)
    notes: list[str] = []
    pairs = _pairs(image, labels, name, _split(split), notes)
    told = Told("", Origin("", group, {}, None, pixel_size, made_by), None, _region(region), status, class_)
    samples = _samples(pairs, notes, told, axes, group_pattern)
    found = run_job(opened.adding(selected(samples, only=wanted)))
    _say(notes)
    for line in added_words(found):
        typer.echo(line)


@app.command("import")
def import_(
    dataset: Folder,
    path: Annotated[
        Path,
        typer.Argument(help="A file, folder or ZIP archive that another program wrote.", show_default=False),
    ],
    format: Format = None,
    images: Images = None,
    group_pattern: GroupPattern = None,
) -> None:
    """Add annotated images of another program; all of them or none."""
    opened = _open(dataset)
    result = run_job(opened.importing(path, format, images=images, group_pattern=group_pattern))
    _say(result.notes)
    for line in imported_words(result):
        typer.echo(line)


@app.command()
def export(
    dataset: Folder,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="A new folder for the images.", show_default=False)
    ],
    format: Annotated[
        str, typer.Option("--format", "-f", help="Its name, see: dataset formats.", show_default=False)
    ],
    split: Annotated[str | None, typer.Option(help="Only train, val or test.", show_default="all")] = None,
    names: Annotated[
        list[str] | None, typer.Option("--name", help="Only this image; may be repeated.", show_default="all")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be lost, and write nothing.")
    ] = False,
) -> None:
    """Write images in another format; what that loses is said before anything is written."""
    from napari_cellseg.datasets.loss import LossReport

    opened = _open(dataset)
    chosen = _split(split)
    if dry_run:
        report = run_job(opened.losing(format, names or None, split=chosen))
        typer.echo(report.words())
        return

    def react(progress: Progress, view: ProgressView) -> None:
        if isinstance(progress.payload, LossReport):
            view.say(progress.payload.words())

    result = run_job(opened.exporting(format, out, split=chosen, names=names or None), react)
    typer.echo(f"{result.folder}: {result.images:,} images with {result.objects:,} objects as {format}")


@app.command()
def check(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="DATASET|PATH", help="A dataset, or what another program wrote.", show_default=False
        ),
    ],
    format: Format = None,
    images: Images = None,
    as_json: AsJson = False,
) -> None:
    """Look for what is wrong: damaged files, an object that is there twice, specks, duplicates across splits.

    The exit code is 1 if there is an error; warnings and notes alone give 0.
    """
    from napari_cellseg.datasets.checking import checking_source
    from napari_cellseg.datasets.store import Dataset, is_dataset

    if not path.exists():
        raise DatasetError(f"There is no file or folder '{path}'.")
    own = format is None and is_dataset(path)
    job = Dataset.open(path).checking() if own else checking_source(path, format, images=images)
    found = run_job(job)
    if as_json:
        from dataclasses import asdict

        _echo_json([asdict(finding) for finding in found])
    else:
        for line in finding_words(found):
            typer.echo(line)
    if any(finding.severity == "error" for finding in found):
        raise typer.Exit(FOUND)


@app.command()
def info(dataset: Folder, as_json: AsJson = False) -> None:
    """Show classes, splits, and how many images and objects there are."""
    opened = _open(dataset)
    if as_json:
        counts = {str(split): row.to_dict() for split, row in opened.counts().iterrows()}
        known = {"folder": str(dataset), "classes": list(opened.classes), "splits": counts}
        images = json.loads(opened.records().to_json(orient="records"))
        _echo_json({**known, "images": images})
        return
    for line in counts_words(opened):
        typer.echo(line)


@app.command()
def resplit(
    dataset: Folder,
    fractions: Annotated[
        str | None, typer.Option(help="Shares of train, val and test.", show_default="as they are")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the shuffle.", show_default="as it is")] = None,
) -> None:
    """Split all images anew; groups and near-duplicates stay together."""
    opened = _open(dataset)
    shares = None if fractions is None else _numbers(fractions, "--fractions", 3)
    moved = run_job(opened.resplitting(shares, seed))
    typer.echo(f"{len(moved):,} of {len(opened):,} images are in another split now")
    for line in counts_words(opened):
        typer.echo(line)


@app.command("rename-class")
def rename_class(
    dataset: Folder,
    old: Annotated[str, typer.Argument(metavar="OLD", help="A class.", show_default=False)],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.", show_default=False)],
    merge: Annotated[
        bool, typer.Option("--merge", help="NEW is a class: it takes over all objects of OLD, which goes.")
    ] = False,
) -> None:
    """Give a class another name, or merge it into another class."""
    opened = _open(dataset)
    if not merge and new in opened.classes and new != old:
        raise OptionError(
            f"There is a class '{new}' already. With --merge it takes over the objects of '{old}'."
        )
    run_job(opened.merging_class(old, new) if merge else opened.renaming_class(old, new))
    for line in counts_words(opened):
        typer.echo(line)


@app.command()
def remove(
    dataset: Folder,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Images.", show_default=False)],
) -> None:
    """Remove images with all their files."""
    opened = _open(dataset)
    opened.remove(names)
    typer.echo(f"Removed {len(set(names)):,} images; {len(opened):,} are left")


@app.command()
def formats() -> None:
    """List the formats that can be imported and exported."""
    from napari_cellseg.datasets.formats.registry import list_formats

    known = list_formats()
    width = max(len(format.name) for format in known)
    for format in known:
        typer.echo(f"{format.name:{width}}  {format.title}")
        typer.echo(f"{'':{width}}  {format.description}")


def _open(folder: Path) -> "Dataset":
    from napari_cellseg.datasets.store import Dataset

    return Dataset.open(folder)


def _pairs(
    image: Path, labels: Path | None, name: str | None, split: "Split | None", notes: list[str]
) -> "list[LabelledImage]":
    """Images and label images that the user named."""
    from napari_cellseg.datasets.formats.label_folders import Search, find_pairs, find_search
    from napari_cellseg.images.reading import is_folder

    for path in filter(None, (image, labels)):
        if not path.exists():
            raise DatasetError(f"There is no file or folder '{path}'.")
    if labels is None and not is_folder(image):
        raise OptionError(f"'{image}' is one image: give its label image as well.")
    if labels is None:
        pairs = find_pairs(image, notes, find_search(image))
    else:
        pairs = find_pairs(labels, notes, Search(), image)
    if name is not None and len(pairs) != 1:
        raise OptionError(f"--name is for one image, but there are {len(pairs):,} of them.")
    named = [pair if name is None else replace(pair, name=name) for pair in pairs]
    return [replace(pair, split=split or pair.split) for pair in named]


def _samples(
    pairs: "list[LabelledImage]", notes: list[str], told: "Told", axes: str | None, group_pattern: str | None
) -> "Iterator[Sample]":
    from napari_cellseg.datasets.formats.label_files import read_labelled

    group_of = _grouping(group_pattern)
    for pair in pairs:
        group = told.origin.group or group_of(pair.name)
        known = replace(told, origin=replace(told.origin, group=group))
        yield from read_labelled(pair, notes, known, axes)


def _grouping(pattern: str | None) -> Callable[[str], str]:
    try:
        known = re.compile(pattern or "$^")
    except re.error as error:
        raise OptionError(
            f"--group-pattern must be a regular expression, {pattern!r} is not: {error}."
        ) from None

    def group(name: str) -> str:
        match = known.search(name)
        return "" if match is None else str(match.group(1 if match.re.groups else 0) or "")

    return group


def _split(text: str | None) -> "Split | None":
    from napari_cellseg.datasets.sample import SPLITS

    if text is None:
        return None
    found = next((split for split in SPLITS if split == text), None)
    if found is None:
        raise OptionError(f"--split must be {', '.join(SPLITS[:-1])} or {SPLITS[-1]}, not {text!r}.")
    return found


def _check_status(status: str) -> None:
    from napari_cellseg.review.status import Status

    if status not in (known := [s.value for s in Status]):
        raise OptionError(f"--status must be one of {', '.join(known)}, not {status!r}.")


def _only(text: str | None) -> "Only | None":
    if text in (None, "accepted"):
        return None if text is None else "accepted"
    raise OptionError(f"--only must be accepted, not {text!r}.")


def _region(text: str | None) -> "Region | None":
    if text is None:
        return None
    numbers = [part.strip() for part in text.split(",")]
    if len(numbers) == 4 and all(number.isdecimal() for number in numbers):
        y0, x0, y1, x1 = (int(number) for number in numbers)
        if y0 < y1 and x0 < x1:
            return y0, x0, y1, x1
    raise OptionError(f"--region must be four whole numbers, first row to last column + 1, not {text!r}.")


def _numbers(text: str, option: str, count: int) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise OptionError(f"{option} must be {count} numbers with commas, not {text!r}.")
    return numbers


def _say(notes: list[str]) -> None:
    for note in dict.fromkeys(notes):
        print_error(f"Note: {note}")


def _echo_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))
