"""A folder that foreign files are laid out in, with what must not happen around it."""

import os
import signal
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import currently_in_test_context, note

from napari_cellseg.datasets.sample import Origin
from napari_cellseg.errors import DatasetError

from .mutations import write_tree
from .nasty import nasty_annotations, sample_of

SECONDS = 60
BYTES = 2 * 10**9


class TooSlow(BaseException):
    """Passes by everything that catches errors."""


def small_samples():
    """Three samples that use most of what formats can say."""
    known = nasty_annotations()
    origin = Origin("plate/a.tif", "plate", {"t": 1}, (0, 0, 20, 24), 0.5, "somebody")
    return [
        sample_of("overlap ü", known["overlap with holes"], split="train", origin=origin),
        sample_of("classes", known["several classes"], dtype="uint8", channels=3, split="val"),
        sample_of("nothing", known["no objects"], dtype="uint8", split="train"),
    ]


@contextmanager
def bounded():
    """Ends what runs for too long or takes too much memory, where the system can do that."""
    if sys.platform != "linux":
        yield
        return
    import resource

    def stop(*_):
        raise TooSlow(f"not done after {SECONDS} s")

    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    handler = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, before[1]))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


def listing(folder):
    """Every path below a folder, sorted, with the content of files; links not followed."""
    paths = sorted(Path(where, name) for where, *names in os.walk(folder) for name in (*names[0], *names[1]))
    return [(p, p.read_bytes() if p.is_file() and not p.is_symlink() else None) for p in paths]


@contextmanager
def laid_out(tree, *, may_change=False):
    """The tree in a folder; its surroundings and the folder of temporary files must stay as they are.

    The tree itself must stay as well, unless it `may_change`.
    """
    with tempfile.TemporaryDirectory() as base, pytest.MonkeyPatch.context() as patch:
        inside, elsewhere, temporary, precious = (Path(base, n) for n in ("in", "cwd", "tmp", "precious"))
        for folder in (inside, elsewhere, temporary, precious / "train"):
            folder.mkdir(parents=True)
        for path in (Path(base, "outside.txt"), precious / "z.json", precious / "train" / "a.txt"):
            path.write_text("untouched")
        patch.chdir(elsewhere)
        patch.setattr(tempfile, "tempdir", str(temporary))
        write_tree(tree, inside)
        before = listing(base)
        yield inside
        after = listing(base)
        assert [row for row in after if not may_change or inside not in row[0].parents] == [
            row for row in before if not may_change or inside not in row[0].parents
        ]


def refusal(action, *kinds):
    """The `DatasetError` that an action raises, or one of these kinds, or None; others go through."""
    try:
        action()
    except (DatasetError, *kinds) as error:
        found = error
    else:
        return None
    if currently_in_test_context():
        note(repr(found))
    assert str(found), "an error without words"
    return found
