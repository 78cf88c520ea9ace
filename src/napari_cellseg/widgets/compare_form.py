"""What is compared: whose cells, in which groups, over which replicates, in which features."""

from collections.abc import Callable, Sequence
from typing import Any

from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QFormLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_cellseg.errors import CellSegError, OptionError
from napari_cellseg.features.table_columns import usual_columns
from napari_cellseg.statistics.group_design import MOST_GROUPS
from napari_cellseg.viewer.coalesced import Coalesced
from napari_cellseg.viewer.compare_run import (
    CellTable,
    CompareChoices,
    CompareRequest,
    are_paired,
    feature_columns,
    group_columns,
    group_values,
    has_measurements,
    layers_table,
    likely_replicates,
    make_request,
    replicate_columns,
    with_pattern,
)
from napari_cellseg.viewer.measured_layer import MeasuredLayer
from napari_cellseg.viewer.outcome_layer import is_overlay
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.fields import (
    Disclosure,
    NarrowCombo,
    add_row,
    explain,
    later_of,
    new_form,
    set_row_visible,
)
from napari_cellseg.widgets.tick_list import TickList

LAYERS, FILE = "layers", "file"
INDEPENDENT = "none: cells are taken as independent"
READ_INTERVAL = 0.15
"""Seconds between two looks at the cells while the form or the layers change."""


class CompareForm(QWidget):
    """The form of *Compare groups*. Signals: `changed`, `file_asked` (a table is to be opened).

    Parameters
    ----------
    measured : callable
        Gives what was measured in the viewer's layers.

    Attributes
    ----------
    problem : str
        Why nothing can be compared, in words.
    """

    changed = Signal()
    file_asked = Signal()

    def __init__(
        self,
        viewer: ViewerModel,
        connections: Connections,
        measured: Callable[[], Sequence[MeasuredLayer]],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._measured = viewer, measured
        self._file: CellTable | None = None
        self._cells: CellTable | None = None
        self._by = ""
        self.problem = ""
        self.refreshing = Coalesced(self.refresh, READ_INTERVAL, later_of(self))
        self.source, self.by, self.replicates, self.control = (NarrowCombo() for _ in range(4))
        self.correction, self.test, self.average = (NarrowCombo() for _ in range(3))
        self.layers, self.groups, self.features = TickList(), TickList(), TickList()
        self.file, self.pattern = QLineEdit(), QLineEdit()
        self.choose_file = QPushButton("…")
        self.paired = QCheckBox("compare within replicates")
        self._form = new_form()
        self._add_cells(self._form)
        self._add_groups(self._form)
        self.advanced = Disclosure("Ad&vanced", "Tests and corrections: rarely needed.", self._options())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._form)
        layout.addWidget(self.advanced)
        self._connect(connections)

    # -- what the form says -------------------------------------------------------------------------------

    def request(self) -> CompareRequest:
        """What to compare.

        Raises
        ------
        OptionError
            Where that is not possible; in words.
        """
        if self._cells is None:
            raise OptionError(self.problem)
        every = self.groups.values()
        ticked = self.groups.ticked()
        if len(ticked) < 2:
            raise OptionError("Tick at least two groups.")
        control = self.control.currentData()
        if control is not None and control not in ticked:
            raise OptionError(f"The control '{control}' is not among the ticked groups.")
        choices = CompareChoices(
            by=self.by.currentData(),
            features=tuple(self.features.ticked()),
            groups=None if ticked == every and len(every) <= MOST_GROUPS else tuple(ticked),
            replicates=self.replicates.currentData(),
            paired=self.paired.isChecked(),
            control=control,
            test=self.test.currentData(),
            correction=self.correction.currentData(),
            average=self.average.currentData(),
        )
        return make_request(self._cells, choices)

    @property
    def cells(self) -> CellTable | None:
        """The cells that are chosen; None where there are none."""
        return self._cells

    def use_file(self, cells: CellTable) -> None:
        """Compare the cells of a table file."""
        self._file = cells
        self.file.setText(cells.source["path"])
        self.source.choose(FILE)
        self.refresh()

    # -- building -----------------------------------------------------------------------------------------

    def _add_cells(self, form: QFormLayout) -> None:
        self.source.fill([("measured labels layers", LAYERS), ("a table file", FILE)])
        add_row(form, "&Cells of", self.source, "Where the measurements are. Default: the layers.")
        self._layers_row = add_row(
            form, "&Layers", self.layers,
            "Whose cells; several layers can be the conditions, or the images. Default: all measured ones.",
        )  # fmt: skip
        self.file.setReadOnly(True)
        self.file.setPlaceholderText("none chosen")
        explain(self.choose_file, "Choose a table", "CSV or Parquet, as 'napari-cellseg measure' writes it.")
        self._file_row = add_row(
            form, "&Table", self.file, "A row per cell; of a folder its column 'image' names the image.",
            self.choose_file, buddy=self.choose_file,
        )  # fmt: skip
        self.pattern.setPlaceholderText("{condition}_{well}_*")
        add_row(
            form, "&Names", self.pattern,
            "What the names of the layers or images say: each {field} is text without an underscore and "
            "becomes a column, * is anything. Default: nothing.",
        )  # fmt: skip

    def _add_groups(self, form: QFormLayout) -> None:
        add_row(form, "&Group by", self.by, "What tells the groups apart: condition, class, layer, time.")
        self._groups_row = add_row(form, "Gr&oups", self.groups, "Groups to compare. Default: all, up to 20.")
        add_row(
            form, "&Replicates", self.replicates,
            "What tells independent replicates apart: well, animal, day, image. Tests then run over their "
            "averages; cells of one image are alike and are no replicates.",
        )  # fmt: skip
        explain(
            self.paired, "Compare within replicates",
            "The same replicate is in several groups, such as the classes of one image or the times of one "
            "well: its groups are compared with each other. Default: where that is so for most replicates.",
        )  # fmt: skip
        form.addRow("", self.paired)
        add_row(form, "Co&ntrol", self.control, "Compare each group with this one only. Default: every pair.")
        self._features_row = add_row(
            form, "&Features", self.features,
            "What to compare; p is corrected for their number. Default: usual sizes, shapes, intensities.",
        )  # fmt: skip

    def _options(self) -> QWidget:
        options = QWidget()
        form = new_form()
        options.setLayout(form)
        self.correction.fill(
            [("Benjamini–Hochberg", "benjamini-hochberg"), ("Holm", "holm"), ("none", "none")]
        )
        self.test.fill([("as the data ask", "auto"), ("of means", "means"), ("of ranks", "ranks")])
        self.average.fill([("mean", "mean"), ("median", "median")])
        add_row(
            form, "Corre&ction", self.correction,
            "Of p for the number of tests. Holm is stricter. Default: Benjamini–Hochberg.",
        )  # fmt: skip
        add_row(form, "T&est", self.test, "Of means (t, analysis of variance) or of ranks. Default: by data.")
        add_row(form, "Avera&ge", self.average, "Of the cells of a replicate. Default: mean.")
        return options

    def _connect(self, connections: Connections) -> None:
        self.source.currentIndexChanged.connect(self.refresh)
        self.layers.changed.connect(self.refreshing.request)
        self.pattern.textChanged.connect(self.refreshing.defer)
        self.choose_file.clicked.connect(self.file_asked)
        self.by.currentIndexChanged.connect(self._on_by)
        self.replicates.currentIndexChanged.connect(self._on_replicates)
        for ticks in (self.groups, self.features):
            ticks.changed.connect(self.changed)
        self.paired.toggled.connect(self.changed)
        for combo in (self.control, self.correction, self.test, self.average):
            combo.currentIndexChanged.connect(self.changed)
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            connections.connect(event, self._on_layers)

    def _on_layers(self, event: object = None) -> None:
        if self.isVisible():
            self.refreshing.defer()

    # -- following ----------------------------------------------------------------------------------------

    def refresh(self, index: int = 0) -> None:
        """Look at the cells again, and fill the choices that follow from them."""
        of_file = self.source.currentData() == FILE
        set_row_visible(self._form, self._file_row, of_file)
        self._fill_layers()
        self.problem, self._cells = "", None
        try:
            self._cells = with_pattern(self._found_cells(of_file), self.pattern.text())
            self._fill_columns(self._cells)
        except CellSegError as error:
            self.problem, self._cells = str(error), None
        set_row_visible(self._form, self._layers_row, not of_file and self.layers.count() > 0)
        set_row_visible(self._form, self._groups_row, self.groups.count() > 0)
        set_row_visible(self._form, self._features_row, self.features.count() > 0)
        self.changed.emit()

    def _found_cells(self, of_file: bool) -> CellTable:
        if not of_file:
            return layers_table(self.layers.ticked(), self._measured())
        if self._file is None:
            raise OptionError("Choose a table: CSV or Parquet with a row per cell.")
        return self._file

    def _fill_layers(self) -> None:
        measured = {found.layer for found in self._measured()}
        layers = [
            layer
            for layer in self._viewer.layers
            if type(layer) is Labels
            and not is_overlay(layer)
            and (layer in measured or has_measurements(layer))
        ]
        _fill_ticks(self.layers, [(layer.name, layer) for layer in layers], layers)

    def _fill_columns(self, cells: CellTable) -> None:
        able = group_columns(cells.table)
        if not able:
            raise OptionError(
                "No column tells groups apart. Give cells classes, tick several layers, or say with Names "
                "what their names mean."
            )
        offered = [self.by.itemData(i) for i in range(self.by.count())]
        keep = self.by.currentData() if able[0] in offered else able[0]
        self.by.fill([(name, name) for name in able], keep=keep)
        self._fill_by(cells)

    def _on_by(self, index: int) -> None:
        if self._cells is not None:
            self._fill_by(self._cells)
        self.changed.emit()

    def _fill_by(self, cells: CellTable) -> None:
        by = self.by.currentData()
        names = group_values(cells.table, by)
        usual = names if len(names) <= MOST_GROUPS else [names[0], names[-1]]
        if by != self._by:
            self.groups.fill([(name, name) for name in names], usual)
        else:
            _fill_ticks(self.groups, [(name, name) for name in names], usual)
        self.control.fill(
            [("every pair", None), *((name, name) for name in names)], keep=self.control.currentData()
        )
        columns = replicate_columns(cells.table, by)
        before = self.replicates.currentData() if by == self._by else likely_replicates(cells, by)
        entries = [(INDEPENDENT, None), *((name, name) for name in columns)]
        fresh = by != self._by or before not in columns
        self.replicates.fill(entries, keep=before if before in columns else None)
        if fresh:
            self._suggest_paired(cells)
        self._by = by
        self._fill_features(cells)

    def _on_replicates(self, index: int) -> None:
        if self._cells is not None:
            self._suggest_paired(self._cells)
            self._fill_features(self._cells)
        self.changed.emit()

    def _suggest_paired(self, cells: CellTable) -> None:
        column = self.replicates.currentData()
        blocked = self.paired.blockSignals(True)
        self.paired.setChecked(are_paired(cells.table, self.by.currentData(), column))
        self.paired.blockSignals(blocked)
        self.paired.setEnabled(column is not None)

    def _fill_features(self, cells: CellTable) -> None:
        names = feature_columns(cells.table, (self.by.currentData(), self.replicates.currentData()))
        units = cells.table.attrs.get("units", {})
        titled = [(f"{name} ({units[name]})" if units.get(name) else name, name) for name in names]
        _fill_ticks(self.features, titled, usual_columns(cells.table))


def _fill_ticks(ticks: TickList, entries: Sequence[tuple[str, Any]], usual: Sequence[Any]) -> None:
    """Replace the entries; those that were there keep their tick, new ones are ticked if they are usual."""
    if entries == [(ticks.item(i).text(), value) for i, value in enumerate(ticks.values())]:
        return
    before, ticked = ticks.values(), ticks.ticked()
    ticks.fill(entries, [value for _, value in entries if value in (ticked if value in before else usual)])
