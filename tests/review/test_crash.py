"""A process that is killed in the middle of its work loses none of it."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from napari_cellseg.review.resuming import find_journals, resume_journal

SCRIPT = Path(__file__).with_name("scripted_work.py")


@pytest.fixture(scope="module")
def scripted() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scripted_work", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def work_until_killed(folder: Path, seed: int, steps: int) -> int:
    """Let a process work, kill it, and say which step it had told of last."""
    command = [sys.executable, str(SCRIPT), str(folder), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= steps:
                process.kill()
                break
        told = [int(line) for line in process.stdout.read().splitlines() if line]
    return told[-1] if told else steps


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_process_is_resumed_bit_by_bit(scripted: ModuleType, tmp_path: Path, seed: int) -> None:
    told = 0
    for more in (60, 25):
        told = work_until_killed(tmp_path, seed, told + more)
        (found,) = find_journals(scripted.KEY, tmp_path)
        assert found.owner == ""
        journal, restored = resume_journal(found.path)
        journal.close()
        assert restored.steps >= told
        assert not restored.words
        work = scripted.ScriptedWork(seed)
        while work.steps < restored.steps:
            work.step()
        assert restored.labels.dtype == work.labels.dtype
        np.testing.assert_array_equal(restored.labels, work.labels)
        pd.testing.assert_frame_equal(restored.features, work.table)
        assert restored.review == work.review
        told = restored.steps
