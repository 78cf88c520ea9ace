"""Choices outlive the session, and a broken file does no harm."""

import pytest

from napari_cellseg.errors import OutputError
from napari_cellseg.viewer.choices import SegmentChoices
from napari_cellseg.viewer.run_on import RunOn
from napari_cellseg.viewer.settings import load_choices, save_choices, settings_file


def test_round_trip() -> None:
    choices = SegmentChoices(
        model="my",
        size_by="pixels",
        size=12.5,
        confidence=0.3,
        run_on=RunOn.ALL,
        link_z=True,
        device="cpu",
        tile=256,
    )
    save_choices(choices)
    assert load_choices() == (choices, "")
    assert [p.name for p in settings_file().parent.iterdir()] == ["segment.json"]


def test_first_session() -> None:
    assert load_choices() == (SegmentChoices(), "")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"run_on": "moon"}',
        '{"confidence": 7}',
        '{"size": -1}',
        '{"confidence": "0.5"}',
        '{"size": "12"}',
        '{"model": 3}',
        '{"size_by": "ells"}',
    ],
)
def test_a_broken_file_is_said(text: str) -> None:
    settings_file().parent.mkdir(parents=True)
    settings_file().write_text(text)
    choices, said = load_choices()
    assert choices == SegmentChoices()
    assert "segment.json" in said


def test_unknown_keys_of_other_versions_are_ignored() -> None:
    settings_file().parent.mkdir(parents=True)
    settings_file().write_text('{"size": 9, "of_the_future": 1}')
    assert load_choices() == (SegmentChoices(size=9), "")


def test_a_folder_that_cannot_be_made_is_our_error(user_folder) -> None:
    user_folder.write_text("a file, not a folder")
    with pytest.raises(OutputError, match="settings"):
        save_choices(SegmentChoices())
