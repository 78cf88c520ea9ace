"""Putting right what the rules of quality found."""

from collections.abc import Callable, Sequence

from napari_cellseg.errors import LabelsError
from napari_cellseg.labels.edit import Edit
from napari_cellseg.labels.removing import delete, keep_largest_piece
from napari_cellseg.labels.shaping import fill_holes
from napari_cellseg.review.quality import Finding
from napari_cellseg.viewer.correcting import Correction

_TOGETHER: dict[str, Callable[..., Edit]] = {
    "delete": delete,
    "fill holes": fill_holes,
    "keep largest piece": keep_largest_piece,
}
"""Fixes that many objects can share as one step."""


def fix_findings(correction: Correction, findings: Sequence[Finding]) -> str:
    """Put findings right; returns what happened, in words.

    Parameters
    ----------
    correction : Correction
        The objects.
    findings : sequence of Finding
        All with the same fix. Where that can be done to many objects at once, it is one step to undo.
    """
    editor = correction.editor
    index = editor.ready()
    there = [f for f in findings if all(label in index for label in f.objects)]
    if not there:
        return "These objects are gone already."
    together = _TOGETHER.get(there[0].fix)
    planes = {finding.plane for finding in there}
    if together is not None and len(planes) == 1:
        objects = sorted({label for finding in there for label in finding.objects})
        editor.apply(together(editor.layer.data, index, objects, plane=planes.pop()))
        return f"{there[0].fix[:1].upper()}{there[0].fix[1:]}: {len(objects):,} objects, one step to undo."
    done, problems = 0, []
    for finding in there:
        try:
            done += editor.apply(finding.edit(editor.layer.data, editor.ready()))
        except LabelsError as error:
            problems.append(str(error))
    words = f"{there[0].fix[:1].upper()}{there[0].fix[1:]}: {done:,} times, a step each."
    return f"{words} {len(problems):,} could not be done: {problems[0]}" if problems else words
