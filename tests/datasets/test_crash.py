"""Whatever ends a change, and wherever: the dataset is as it was before or as it is after it."""

import importlib.util
import os
import shutil
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from napari_cellseg.datasets import transaction
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.datasets.transaction import Transaction, recover
from napari_cellseg.errors import DatasetError

SCRIPT = Path(__file__).with_name("scripted_changes.py")


@pytest.fixture(scope="module")
def scripted():
    spec = importlib.util.spec_from_file_location("scripted_changes", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Crash(BaseException):
    """The end of a process, as far as this one goes."""


def crashing(monkeypatch, after):
    """Let the process end before the operation of the disk that comes after so many others."""
    left = iter(range(after, -1, -1))

    def counted(operation):
        def wrapper(*args, **kwargs):
            if next(left, 0) == 0:
                raise Crash
            return operation(*args, **kwargs)

        return wrapper

    monkeypatch.setattr(os, "replace", counted(os.replace))
    monkeypatch.setattr(os, "fsync", counted(os.fsync))
    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))
    monkeypatch.setattr(transaction.shutil, "rmtree", counted(transaction.shutil.rmtree))


@pytest.mark.parametrize("first", [8, 12, pytest.param(13, marks=pytest.mark.slow)])
def test_a_change_that_ends_anywhere_is_done_or_undone(scripted, tmp_path, first):
    """The steps: an update that drops a file, a removal, a move of all images."""
    dataset = Dataset.create(tmp_path / "data")
    for step in range(first):
        scripted.change(dataset, step)
    before = scripted.check(dataset.folder)
    expected = scripted.after(before, first)
    assert expected != before
    seen, done = set(), False
    for operations in count():
        folder = shutil.copytree(dataset.folder, tmp_path / str(operations))
        with pytest.MonkeyPatch.context() as patch:
            crashing(patch, operations)
            try:
                scripted.change(Dataset.open(folder), first)
                done = True
            except Crash:
                pass
        state = scripted.check(folder)
        assert state in (before, expected)
        seen.add(state == expected)
        if done:
            break
    assert seen == {False, True}


def test_a_killed_process_leaves_a_valid_dataset(scripted, tmp_path):
    folder = Dataset.create(tmp_path / "data").folder
    state, step = {}, 0
    for more in (3, 9):
        command = [sys.executable, str(SCRIPT), str(folder), str(step)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                if int(line) >= step + more:
                    process.kill()
                    break
            told = [int(line) for line in process.stdout.read().splitlines() if line]
        last = told[-1] if told else step + more
        for number in range(step, last + 1):
            state = scripted.after(state, number)
        found = scripted.check(folder)
        if found != state:
            last += 1
            state = scripted.after(state, last)
        assert found == state
        step = last + 1


def test_a_job_that_is_stopped_changes_nothing(scripted, tmp_path):
    dataset = Dataset.create(tmp_path / "data")
    scripted.change(dataset, 0)
    before = scripted.check(dataset.folder)
    samples = [dataset.sample(name).renamed(f"copy of {name}") for name in dataset.names]
    job = dataset.adding(samples, len(samples))
    next(job)
    job.close()
    assert scripted.check(dataset.folder) == before
    assert dataset.names == tuple(before)


def test_one_process_at_a_time_changes_a_dataset(scripted, tmp_path):
    dataset = Dataset.create(tmp_path / "data")
    scripted.change(dataset, 0)
    other = Dataset.open(dataset.folder)
    job = dataset.adding([dataset.sample(name) for name in dataset.names])
    next(job)
    with pytest.raises(DatasetError, match=f"being changed by process {os.getpid()}"):
        other.remove(other.names)
    assert Dataset.open(dataset.folder).names == dataset.names
    job.close()
    other.remove(other.names)
    dataset.refresh()
    assert len(dataset) == 0


def test_what_others_added_is_seen(scripted, tmp_path):
    dataset = Dataset.create(tmp_path / "data")
    other = Dataset.open(dataset.folder)
    scripted.change(dataset, 0)
    pixels, labels = scripted.image(1)
    assert not other.add(pixels, labels, name="new").updated
    assert len(other) == 2
    assert dataset.add(pixels, labels).updated


@pytest.mark.parametrize("path", ["../evil", "/tmp/evil", "images/../../evil"])
def test_a_plan_that_leads_out_of_the_folder_is_refused(tmp_path, path):
    staging = tmp_path / "data/.staging/1"
    staging.mkdir(parents=True)
    (staging / "0").write_text("x")
    plan = f'{{"puts": {{"{path}": "0"}}, "moves": {{}}, "removals": []}}'
    (staging / "commit.json").write_text(plan)
    with pytest.raises(DatasetError, match="not below"):
        recover(tmp_path / "data")
    (staging / "commit.json").write_text('{"puts": [')
    with pytest.raises(DatasetError, match="damaged"):
        recover(tmp_path / "data")


def test_a_path_is_changed_once(tmp_path):
    (tmp_path / "a").write_text("a")
    with Transaction(tmp_path) as change:
        change.put("b").write_text("new")
        change.move("a", "b")
        with pytest.raises(DatasetError, match="'b' is to be changed twice"):
            change.commit()
    assert (tmp_path / "a").read_text() == "a"
    assert not (tmp_path / "b").exists()
