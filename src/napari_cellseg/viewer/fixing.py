"""Putting right what the rules of quality found."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from napari_cellseg.labels.combining import combine_edits
from napari_cellseg.labels.edit import Edit
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.removing import delete, keep_largest_piece
from napari_cellseg.labels.shaping import fill_holes
from napari_cellseg.review.quality import Finding
from napari_cellseg.viewer.correcting import Correction

Maker = Callable[[ObjectIndex], Edit]

_AT_ONCE: dict[str, Callable[..., Edit]] = {
    "delete": delete,
    "fill holes": fill_holes,
    "keep largest piece": keep_largest_piece,
}
"""Fixes that one edit does for all objects of a plane."""


def fix_findings(correction: Correction, findings: Sequence[Finding]) -> str:
    """Put findings right, as one step to undo; returns what happened, in words.

    Parameters
    ----------
    correction : Correction
        The objects.
    findings : sequence of Finding
        All with the same fix.
    """
    index = correction.editor.ready()
    there = [finding for finding in findings if all(label in index for label in finding.objects)]
    if not there:
        return "These objects are gone already."
    fix = there[0].fix
    makers = list(_by_plane(there) if fix in _AT_ONCE else _one_by_one(there))
    edit, problems = correction.editor.apply_together(fix, makers)
    title = f"{fix[:1].upper()}{fix[1:]}"
    if edit.is_empty:
        words = f"{title}: nothing changed."
    else:
        objects = {*edit.changed, *edit.removed}
        words = f"{title}: {len(objects):,} {'object' if len(objects) == 1 else 'objects'}, one step to undo."
    return f"{words} {len(problems):,} could not be done: {problems[0]}" if problems else words


def _by_plane(findings: Sequence[Finding]) -> Iterator[Maker]:
    planes = defaultdict(set)
    for finding in findings:
        planes[finding.plane].update(finding.objects)
    fix = _AT_ONCE[findings[0].fix]
    for plane, objects in planes.items():
        yield lambda index, plane=plane, objects=objects: fix(
            index.array, index, sorted(objects), plane=plane
        )


def _one_by_one(findings: Sequence[Finding]) -> Iterator[Maker]:
    """Each finding by itself; an object that was merged into another stands for what became of it."""
    became: dict[int, int] = {}

    def make(finding: Finding, index: ObjectIndex) -> Edit:
        objects = []
        for label in finding.objects:
            while label in became:
                label = became[label]
            objects.append(label)
        if finding.fix == "merge" and len(set(objects)) < 2:
            return combine_edits(finding.fix, index, [])
        edit = replace(finding, objects=tuple(dict.fromkeys(objects))).edit(index.array, index)
        for label, parents in edit.parents.items():
            became.update({parent: label for parent in parents if parent in edit.removed})
        return edit

    for finding in findings:
        yield lambda index, finding=finding: make(finding, index)
