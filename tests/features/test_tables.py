"""Tables written and read again: nothing is lost, units and provenance come along."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_cellseg.errors import OptionError, OutputError
from napari_cellseg.features.tables import (
    definition_of,
    read_table,
    sidecar_path,
    table_provenance,
    write_table,
)

WAYS: dict[str, dict[str, Any]] = {
    "plain.csv": {},
    "excel.csv": {"excel": True},
    "semicolons.csv": {"excel": True, "decimal": ","},
    "table.parquet": {},
}


def cells() -> pd.DataFrame:
    """Every kind of column that a table of measurements has."""
    table = pd.DataFrame(
        {
            "index": np.array([1, 2, 7, 10**8], np.int64),
            "class": pd.Series(["Zelle, groß", "細胞", None, '"=1+1"\n'], dtype=object),
            "area": [1.1, np.nan, 1e-300, 12345678.123456789],
            "signal": [np.inf, -np.inf, -0.0, 2 / 3],
            "half": np.array([0.1, np.nan, 1 / 3, 6e4], np.float16),
            "small": np.array([0.1, np.nan, 1 / 3, 3e38], np.float32),
            "big": np.array([0, 1, 2**63, 2**64 - 1], np.uint64),
            "touches_border": [True, False, False, True],
            "checked": pd.array([True, None, False, None], "boolean"),
            "parent": pd.array([1, None, 3, 2**62], "Int64"),
            "stage": pd.Categorical(["G2", "M", None, "M"], categories=["G1", "G2", "M"], ordered=True),
            "well": pd.Categorical([3, 1, 3, 2]),
            "note": ["", None, "NA", "nan"],
            "doubtful": pd.Series([True, np.nan, None, False], dtype=object),
        }
    )
    table.attrs["units"] = {"area": "µm²", "signal": ""}
    table.attrs["definitions"] = {"signal": "Own feature."}
    table.attrs["provenance"] = {"scale": [0.5, 0.5], "settings": {"features": ["area"]}}
    return table


def as_stored(table: pd.DataFrame) -> pd.DataFrame:
    """Texts and objects in pandas' own types, missing ones alike."""
    table = table.astype({"doubtful": "boolean"})
    return table.assign(**{n: table[n].astype("str") for n in table if table[n].dtype == object})


@pytest.mark.parametrize(
    "text",
    [
        "index,class,area,border\r\n1,a,1.5,TRUE\r\n2,µ,2.25,FALSE\r\n",
        "index;class;area;border\r\n1;a;1,5;TRUE\r\n2;µ;2,25;FALSE\r\n",
        "index\tclass\tarea\tborder\n1\ta\t1.5\ttrue\n2\tµ\t2.25\tfalse\n",
    ],
)
def test_a_table_that_a_spreadsheet_has_written_anew_is_read(tmp_path: Path, text: str) -> None:
    table = pd.DataFrame({"index": [1, 2], "class": ["a", "µ"], "area": [1.5, 2.25], "border": [True, False]})
    table.attrs["units"] = {"area": "µm²"}
    write_table(table, tmp_path / "cells.csv")
    (tmp_path / "cells.csv").write_text(text, encoding="utf-8-sig", newline="")
    found = read_table(tmp_path / "cells.csv")
    pd.testing.assert_frame_equal(found, table)
    assert found.attrs["units"]["area"] == "µm²"


@pytest.mark.parametrize("name", WAYS)
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    table = cells()
    write_table(table, tmp_path / name, **WAYS[name])
    found = read_table(tmp_path / name)
    pd.testing.assert_frame_equal(found, as_stored(table), check_exact=True)
    assert found.attrs["units"] == dict.fromkeys(table, "") | {"area": "µm²"}
    assert found.attrs["provenance"] == table.attrs["provenance"]
    assert found.attrs["definitions"]["signal"] == "Own feature."
    assert found.attrs["definitions"]["index"]
    write_table(found, tmp_path / f"again_{name}", **WAYS[name])
    assert (tmp_path / f"again_{name}").read_bytes() == (tmp_path / name).read_bytes() or "parquet" in name


@pytest.mark.parametrize("name", WAYS)
def test_tables_without_rows_keep_their_columns(tmp_path: Path, name: str) -> None:
    table = cells().astype({"doubtful": "boolean"}).iloc[:0]
    write_table(table, tmp_path / name, **WAYS[name])
    found = read_table(tmp_path / name)
    pd.testing.assert_frame_equal(found, as_stored(table))
    assert found.attrs["units"]["area"] == "µm²"


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.none() | texts, st.floats(), st.integers(-(2**63), 2**63 - 1)), max_size=6),
    texts.filter(bool),
    st.sampled_from(sorted(WAYS)),
)
def test_any_text_and_number_comes_back(tmp_path: Path, rows: list[Any], title: str, name: str) -> None:
    table = pd.DataFrame(rows, columns=["class" + title, "value", "id"])
    table = table.astype({"class" + title: "str", "value": "float64", "id": "int64"})
    write_table(table, tmp_path / name, **WAYS[name])
    pd.testing.assert_frame_equal(read_table(tmp_path / name), table, check_exact=True)


def test_what_a_spreadsheet_reads(tmp_path: Path) -> None:
    table = pd.DataFrame({"class": ["groß"], "area_µm": [1.5]})
    write_table(table, tmp_path / "excel.csv", excel=True, decimal=",")
    assert (tmp_path / "excel.csv").read_bytes() == "\ufeffclass;area_µm\r\ngroß;1,5\r\n".encode()
    write_table(table, tmp_path / "plain.csv")
    assert (tmp_path / "plain.csv").read_bytes() == "class,area_µm\ngroß,1.5\n".encode()


@pytest.mark.parametrize("name", WAYS)
def test_without_the_sidecar_types_are_guessed(tmp_path: Path, name: str) -> None:
    table = pd.DataFrame({"index": [1, 2], "area": [1.25, np.nan], "class": ["a", "b"]})
    write_table(table, tmp_path / name, **WAYS[name])
    sidecar_path(tmp_path / name).unlink()
    found = read_table(tmp_path / name)
    pd.testing.assert_frame_equal(found, table)


def test_columns_added_in_a_spreadsheet_are_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_table(pd.DataFrame({"index": [1, 2], "area": [1.5, 2.5]}), path, decimal=",")
    path.write_text("index;area;dose;drug\n1;1,5;0,1;x\n2;;;y\n", encoding="utf-8")
    found = read_table(path)
    assert found["dose"].tolist()[0] == 0.1
    assert found["drug"].tolist() == ["x", "y"]
    assert np.isnan(found["area"][1])
    assert found.attrs["units"]["dose"] == ""
    path.write_text("index;area\nx;1,5\n", encoding="utf-8")
    with pytest.raises(OptionError, match="cannot be read as a table"):
        read_table(path)


def test_parquet_says_units_and_definitions_itself(tmp_path: Path) -> None:
    table = pd.DataFrame({"index": [1], "area": [2.0]})
    table.attrs["units"] = {"area": "µm²"}
    write_table(table, tmp_path / "t.parquet", provenance={"scale": np.array([0.5, 0.5])})
    schema = pq.read_schema(tmp_path / "t.parquet")
    assert schema.field("area").metadata[b"unit"].decode() == "µm²"
    assert schema.field("area").metadata[b"definition"].decode() == definition_of("area")
    sidecar = json.loads(sidecar_path(tmp_path / "t.parquet").read_text(encoding="utf-8"))
    assert sidecar["columns"]["area"]["unit"] == "µm²"
    assert sidecar["rows"] == 1
    assert sidecar["provenance"] == {"scale": [0.5, 0.5]}


def test_definitions_come_from_the_registry() -> None:
    assert definition_of("area")
    assert definition_of("area-DAPI") == f"{definition_of('area')} Of DAPI."
    assert definition_of("my_own") == ""


@pytest.mark.parametrize(
    "table, name, words",
    [
        (pd.DataFrame({"a": [1]}), "t.xlsx", "end in .csv or .parquet"),
        (pd.DataFrame(), "t.csv", "without columns"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "t.csv", "name of its own"),
        (pd.DataFrame({0: [1]}), "t.csv", "name of its own"),
        (pd.DataFrame({"a": [object()]}), "t.csv", "numbers, true or false"),
        (pd.DataFrame({"a": ["x", 1]}), "t.parquet", "numbers, true or false"),
        (pd.DataFrame({"a": [1j]}), "t.csv", "numbers, true or false"),
    ],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, table: pd.DataFrame, name: str, words: str
) -> None:
    with pytest.raises(OptionError, match=words):
        write_table(table, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_failures_leave_no_traces(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        write_table(cells(), tmp_path / "missing" / "t.csv")
    with pytest.raises(OptionError, match="cannot be read"):
        read_table(tmp_path / "missing.csv")
    with pytest.raises(OptionError, match="end in"):
        read_table(tmp_path / "t.xlsx")
    (tmp_path / "t.parquet").write_bytes(b"no parquet")
    with pytest.raises(OptionError, match="cannot be read as a table"):
        read_table(tmp_path / "t.parquet")
    write_table(cells(), tmp_path / "t.csv")
    sidecar_path(tmp_path / "t.csv").write_text("{", encoding="utf-8")
    with pytest.raises(OptionError, match="cannot be read as a table"):
        read_table(tmp_path / "t.csv")
    (tmp_path / "folder.csv").mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OutputError):
        write_table(cells(), tmp_path / "folder.csv")
    assert sorted(tmp_path.iterdir()) == before


def test_provenance_knows_the_pixels(tmp_path: Path) -> None:
    labels = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    found = table_provenance(labels, scale=0.5, unit="µm", settings={"features": "default"})
    assert found["labels"]["shape"] == [2, 3, 4]
    assert (found["scale"], found["unit"], found["image"]) == ([0.5], "µm", None)
    assert found["versions"]["napari-cellseg"]
    other = labels.copy()
    other[1, 2, 3] += 1
    assert table_provenance(labels.copy(order="F"))["labels"] == found["labels"]
    assert table_provenance(other)["labels"]["sha256"] != found["labels"]["sha256"]
    file = tmp_path / "labels.npy"
    np.save(file, labels)
    assert len(table_provenance(file)["labels"]["sha256"]) == 64
    assert table_provenance(tmp_path / "gone.tif")["labels"]["sha256"] is None
    json.dumps(found)
