"""The guide's code runs, and its table of metrics is the registry's."""

import re
from pathlib import Path

import pytest

from napari_cellseg.evaluation.metrics import METRICS, Metric

GUIDE = Path(__file__).parents[2] / "docs" / "evaluation.md"


def row(metric: Metric) -> str:
    """Row of the guide's table."""
    definition = metric.definition.replace("|", "\\|")
    return f"| `{metric.name}` | {definition} | {metric.source or '–'} |"


def test_the_guide_defines_every_metric() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    for metric in METRICS:
        assert row(metric) in rows, f"docs/evaluation.md lacks the row\n{row(metric)}"


def test_the_guides_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) > 3
    exec(compile("\n".join(blocks), str(GUIDE), "exec"), {})
    assert (tmp_path / "report.html").stat().st_size > 10_000
