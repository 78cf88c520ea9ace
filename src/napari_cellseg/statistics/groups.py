"""Groups of cells compared: conditions, wells, classes, times, with the number of independent replicates."""

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from napari_cellseg.events import Job, Progress, drain
from napari_cellseg.statistics.correction import Correction, corrected_p
from napari_cellseg.statistics.group_design import Design, Settings, group_name, make_design
from napari_cellseg.statistics.group_rows import COLUMNS, comparison_rows, description
from napari_cellseg.statistics.group_words import row_words, warnings_of
from napari_cellseg.statistics.replicates import Average
from napari_cellseg.statistics.resampling import RESAMPLES

STAGE = "Comparing groups"


@dataclass(frozen=True, slots=True, eq=False)
class GroupComparison:
    """How groups of cells differ, feature by feature.

    Attributes
    ----------
    table : DataFrame
        A row per feature and comparison: with more than two groups first all of them (``first`` and
        ``second`` missing), then pairs. Every difference is second against first. Columns:

        - ``feature``, ``unit``, ``groups``, ``first``, ``second``;
        - ``level``: what the test ran over, ``"replicates"`` or ``"cells"``; ``mean``, ``sd``, ``median`` and
          ``n`` are of this level;
        - ``n_cells``, ``n_replicates`` (0: not given), of all groups of the row, and ``…_first``,
          ``…_second``;
        - ``n_first``, ``mean_first``, ``sd_first``, ``median_first``, the same of ``second``;
        - ``difference`` of the means in the feature's unit, ``difference_low``, ``difference_high`` (Welch's
          interval; of pairs the paired one);
        - ``effect``, ``effect_value``, ``effect_low``, ``effect_high``: the effect that goes with the test,
          at its level: Hedges' g with means, Cliff's delta with ranks, Cohen's dz with paired means, the
          explained share with all groups;
        - ``cells_…`` and ``replicates_…`` with ``cohens_d``, ``hedges_g``, ``cliffs_delta``, each with
          ``_low`` and ``_high``: the effects at both levels;
        - ``test``, ``statistic``, ``df`` (text), ``p``, ``p_corrected``, ``why``, ``words``.
    groups : DataFrame
        A row per feature and group: ``feature``, ``unit``, ``group``, ``n_cells``, ``left_out`` (values that
        are not finite), ``n_replicates``, and ``cells_`` and ``replicates_`` with ``mean``, ``sd``,
        ``median``.
    cells : DataFrame
        The cells that were compared: group (categorical, in order), replicate, features.
    warnings : tuple of str
        What a reader must know; first of all whether cells were taken for replicates.
    settings : dict
        The arguments, as JSON can hold them.
    """

    table: pd.DataFrame
    groups: pd.DataFrame
    cells: pd.DataFrame
    warnings: tuple[str, ...]
    settings: dict[str, Any]

    @property
    def pairs(self) -> pd.DataFrame:
        """The rows of two groups."""
        return self.table[self.table["first"].notna()].reset_index(drop=True)

    @property
    def overall(self) -> pd.DataFrame:
        """The rows of three or more groups together; none where there are two groups."""
        return self.table[self.table["first"].isna()].reset_index(drop=True)

    @property
    def text(self) -> str:
        """Everything in sentences, a line each, the warnings first."""
        return "\n".join([*self.warnings, *self.table["words"]])


def compare_groups(
    table: pd.DataFrame,
    by: str,
    *,
    features: Sequence[str] | None = None,
    groups: Sequence[Hashable] | None = None,
    control: Hashable | None = None,
    replicates: str | None = None,
    average: Average = "mean",
    paired: bool = False,
    test: Literal["auto", "means", "ranks"] = "auto",
    correction: Correction = "benjamini-hochberg",
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> GroupComparison:
    """Compare groups of cells, feature by feature.

    Parameters
    ----------
    table : DataFrame
        A row per cell. ``table.attrs["units"]`` gives units by column.
    by : str
        Column of the groups: condition, well, class, time.
    features : sequence of str, optional
        Columns to compare; None: every column of numbers but places and names (``index``, ``t``,
        ``centroid-0`` …) and angles (unit ``"rad"``).
    groups : sequence, optional
        Values of `by` to compare, in this order; None: all, in their order (at most 20). A named group that
        the table does not have is compared as an empty one.
    control : value of `by`, optional
        Compare pairs with this group only; it comes first in them.
    replicates : str, optional
        Column that tells independent replicates apart (image, well, animal, day). The cells are averaged per
        replicate and group, and tests run over these averages (Lord et al., *SuperPlots*, J Cell Biol 2020).
        None: tests run over cells, and the result carries a warning.
    average : {"mean", "median"}
        How the cells of a replicate are averaged.
    paired : bool
        Whether a value of `replicates` in several groups is the same replicate: the classes of one image, the
        times of one well. Then differences within replicates are tested.
    test : {"auto", "means", "ranks"}
        ``"auto"``: see `choose_family`, `compare_samples`; the choice and its reason are in the result.
    correction : {"benjamini-hochberg", "holm", "none"}
        See `corrected_p`; over the features for rows of all groups, and over features and pairs for pairs.
    level : float
        Level of all intervals.
    resamples, seed : int
        Of the intervals of effects among cells in replicates, see `clustered_intervals`.

    Returns
    -------
    GroupComparison
        What cannot be tested (an empty group, one value, no spread) has NaN and says so in words.

    Raises
    ------
    OptionError
        Where a column is missing or has no numbers, there are not two groups, or an option is unknown.
    """
    column = table[by] if by in table.columns else pd.Series(dtype=object)
    base = None if control is None else group_name(control, column)
    settings = Settings(by, replicates, average, paired, base, test, correction, level, resamples, seed)
    return drain(comparing_groups(make_design(table, settings, features, groups)))


def comparing_groups(design: Design) -> Job[GroupComparison]:
    """Compare groups feature by feature, yielding `Progress`; see `compare_groups`.

    Parameters
    ----------
    design : Design
        From `make_design`.
    """
    rows: list[dict[str, Any]] = []
    described: list[dict[str, Any]] = []
    for done, feature in enumerate(design.features):
        yield Progress(STAGE, done, len(design.features), feature)
        values = design.values(feature)
        described += [description(feature, design.units[feature], group) for group in values]
        rows += comparison_rows(feature, values, design)
    yield Progress(STAGE, len(design.features), len(design.features))
    table = _corrected(pd.DataFrame(rows), design)
    settings = {**asdict(design.settings), "groups": list(design.groups), "features": list(design.features)}
    return GroupComparison(table, pd.DataFrame(described), design.cells, warnings_of(design), settings)


def _corrected(table: pd.DataFrame, design: Design) -> pd.DataFrame:
    """The table with words and corrected p: rows of all groups are one family of tests, pairs another."""
    table = table.reindex(columns=[*COLUMNS])
    overall = table["first"].isna().to_numpy()
    p = table["p"].to_numpy(float)
    result = p.copy()
    for family in (overall, ~overall):
        result[family] = corrected_p(p[family], design.settings.correction)
    table["p_corrected"] = result
    table["words"] = [row_words(row, design) for row in table.to_dict("records")]
    counts = [name for name in COLUMNS if name.startswith("n_")]
    return table.astype(dict.fromkeys(counts, "Int64"))
