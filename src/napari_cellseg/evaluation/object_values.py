"""A value per object, such as its confidence or class, looked up by its label."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.overlaps import Ids

ObjectValues = Mapping[int, Any]
"""Value of each object by its label."""


def object_values(source: Any, column: str) -> ObjectValues:
    """Values by label, from any of the forms in which they come.

    Parameters
    ----------
    source : mapping, DataFrame or sequence
        A mapping from label to value; a table with the columns ``index`` (the label) and `column`; or N
        values for the labels 1 … N.
    column : str
        What the values are, for example ``"confidence"``.

    Raises
    ------
    OptionError
        If it is none of these, or a table has different values for a label.
    """
    if isinstance(source, pd.DataFrame):
        missing = {"index", column} - set(source.columns)
        if missing:
            raise OptionError(
                f"A table of objects needs the columns 'index' and '{column}', "
                f"this one has {', '.join(map(repr, source.columns))}."
            )
        different = source[["index", column]].drop_duplicates()
        twice = different["index"][different["index"].duplicated()]
        if len(twice):
            raise OptionError(
                f"A table of objects must have one {column} for each label, this one has several for label "
                f"{twice.iloc[0]}. Labels that are numbered anew in each plane must be evaluated plane by "
                "plane."
            )
        return dict(zip(source["index"].astype(int).tolist(), source[column].tolist(), strict=True))
    if isinstance(source, Mapping | pd.Series):
        return {int(key): value for key, value in source.items()}
    values = np.asarray(source)
    if values.ndim != 1:
        raise OptionError(f"{column} must have one value per object, not shape {values.shape}.")
    return dict(enumerate(values.tolist(), start=1))


def values_of(ids: Ids, values: ObjectValues, column: str) -> list[Any]:
    """Value of each label.

    Raises
    ------
    OptionError
        If a label has none; the text names up to five of them.
    """
    missing = [int(i) for i in ids if int(i) not in values]
    if missing:
        raise OptionError(
            f"Every object needs a {column}; {len(missing)} have none, "
            f"for example label {', '.join(map(str, missing[:5]))}."
        )
    return [values[int(i)] for i in ids]


def classes_of(ids: Ids, values: ObjectValues) -> list[str]:
    """Class of each label as text; a whole number is the same class where a table holds it as a float.

    Raises
    ------
    OptionError
        If a label has none.
    """
    known = {label: value for label, value in values.items() if not (pd.isna(value) or value == "")}
    found = values_of(ids, known, "class")
    return [str(int(c)) if isinstance(c, float) and c.is_integer() else str(c) for c in found]


def confidences_of(ids: Ids, values: ObjectValues) -> NDArray[np.float64]:
    """Confidence of each label.

    Raises
    ------
    OptionError
        If a label has none, or one that is not between 0 and 1.
    """
    found = np.asarray(values_of(ids, values, "confidence"), float)
    bad = ~((found >= 0) & (found <= 1))
    if bad.any():
        first = int(np.argmax(bad))
        raise OptionError(
            f"Confidences must be between 0 and 1; label {int(ids[first])} has {found[first]}. "
            "An object that was drawn by hand can be given 1."
        )
    return found
