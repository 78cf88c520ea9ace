"""Journals that were offered in vain are removed, others never."""

import os
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_cellseg.review.image_key import ImageKey
from napari_cellseg.review.journal import Journal, mark_offered
from napari_cellseg.review.packing import pack_labels
from napari_cellseg.review.pruning import prune_journals

DAY = 24 * 3600.0


def journal(folder: Path, number: int, days: float, *, offered: bool, used: bool = False) -> Path:
    labels = np.random.default_rng(number).integers(0, 9, (64, 64))
    key = ImageKey(f"/images/{number}.tif", 1, 2, "0")
    kept = Journal.begin(key, pack_labels(labels), pd.DataFrame({"index": [0]}), folder=folder)
    kept.append("accept", after=pd.DataFrame({"index": [0]}))
    if not used:
        kept.close()
    if offered:
        mark_offered(kept.path)
    os.utime(kept.path, (time.time() - days * DAY,) * 2)
    return kept.path


def test_old_ones_go_unless_they_are_in_use_or_nobody_knows_of_them(tmp_path: Path) -> None:
    old = journal(tmp_path, 1, 91, offered=True)
    kept = [
        journal(tmp_path, 2, 89, offered=True),
        journal(tmp_path, 3, 400, offered=False),
        journal(tmp_path, 4, 400, offered=True, used=True),
    ]
    damaged = old.with_suffix(".damaged")
    damaged.write_bytes(b"x")
    os.utime(damaged, (time.time() - 100 * DAY,) * 2)
    assert set(prune_journals(tmp_path)) == {old, damaged}
    assert all(path.exists() for path in kept)
    assert not list(tmp_path.glob(f"{old.stem}*"))
    assert prune_journals(tmp_path) == []


def test_the_oldest_go_where_all_take_too_much_room(tmp_path: Path) -> None:
    paths = [journal(tmp_path, i, 50 - i, offered=i != 1) for i in range(5)]
    room = sum(path.stat().st_size for path in paths[1:2] + paths[3:])
    removed = prune_journals(tmp_path, oldest=timedelta(days=90), most_bytes=room)
    assert removed == [paths[0], paths[2]]


def test_without_a_folder_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert prune_journals(tmp_path / "missing") == []


@pytest.mark.parametrize("most", [0, 10**9])
def test_a_journal_that_was_never_offered_stays(tmp_path: Path, most: int) -> None:
    path = journal(tmp_path, 1, 1000, offered=False)
    assert prune_journals(tmp_path, most_bytes=most) == []
    assert path.exists()
