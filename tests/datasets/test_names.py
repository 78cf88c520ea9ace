"""Names that are safe to write, and paths that stay below their folder."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cellseg.datasets.names import LONGEST, path_within, safe_name
from napari_cellseg.errors import DatasetError


@given(st.text(min_size=1, max_size=200))
def test_a_safe_name_is_one_plain_file_name(text):
    try:
        name = safe_name(text)
    except DatasetError:
        assert not text.strip(" .")
        return
    assert 0 < len(name) <= LONGEST + 1
    assert not set(name) & set('<>:"/\\|?*\0\n')
    assert name.strip(" .") == name
    assert safe_name(name) == name


def test_spaces_and_unicode_stay():
    assert safe_name("Zellen µm 3") == "Zellen µm 3"
    assert safe_name("a/b:c") == "a_b_c"
    assert safe_name("CON") == "CON_"


@pytest.mark.parametrize(
    "name", ["../a.png", "/etc/passwd", "a/../../b", "C:\\a.png", "\\\\host\\a", "", "a\0b"]
)
def test_no_path_leads_out(tmp_path, name):
    with pytest.raises(DatasetError, match="annotations"):
        path_within(tmp_path, name, "annotations.json, images[0].file_name")


def test_a_link_that_leads_out_is_refused(tmp_path):
    os.symlink("/", tmp_path / "link")
    with pytest.raises(DatasetError, match="not below"):
        path_within(tmp_path, "link/etc/hosts", "a.json")


def test_folders_below_are_fine(tmp_path):
    assert path_within(tmp_path, "plate 1\\wëll/a.png", "a.json") == tmp_path / "plate 1" / "wëll" / "a.png"
