"""Correct one labels layer: tools, the selected object, the review queue, the list of checks."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from qtpy.QtWidgets import QHBoxLayout, QTabWidget, QVBoxLayout, QWidget

from napari_cellseg.errors import CellSegError, LabelsError
from napari_cellseg.review.resuming import FoundJournal
from napari_cellseg.viewer.coalesced import Coalesced
from napari_cellseg.viewer.correct_session import CorrectSession
from napari_cellseg.viewer.correct_tools import Tool
from napari_cellseg.viewer.edit_step import EditStep
from napari_cellseg.viewer.label_layer import replace_labels
from napari_cellseg.viewer.resuming import Resumed, resume
from napari_cellseg.viewer.reviewing import Review
from napari_cellseg.viewer.saving import suggested_path
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.correct_buttons import ShapeButtons, ToolButtons, small_button
from napari_cellseg.widgets.correct_checks import ChecksBox
from napari_cellseg.widgets.correct_jobs import CorrectJobs
from napari_cellseg.widgets.correct_keys import ALL_KEYS, HELP_KEY, show_help
from napari_cellseg.widgets.correct_review import ReviewBox
from napari_cellseg.widgets.correct_saving import SaveBox
from napari_cellseg.widgets.correct_undo import show_next
from napari_cellseg.widgets.fields import Sentence, add_row, later_of, new_form
from napari_cellseg.widgets.job_panel import JobPanel
from napari_cellseg.widgets.layer_choice import LabelsChoice, LayerChoice
from napari_cellseg.widgets.messages import ErrorBox

REVIEW_ACTIONS = ("accept", "skip", "back", "accept_view")
ATTACH_WAIT = 0.1
"""Seconds that a layer must rest before its objects are counted."""


class CorrectPanel(QWidget):
    """The whole dock, for the labels layer that is selected."""

    def __init__(self, viewer: ViewerModel, connections: Connections, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._connections = viewer, connections
        self._sessions: dict[Labels, CorrectSession] = {}
        self._session: CorrectSession | None = None
        self._followed: Labels | None = None
        self._acting = False
        self._later = later_of(self)
        self._attach = Coalesced(self._follow_layer, ATTACH_WAIT, self._later)
        self.labels = LabelsChoice(viewer, Labels, connections, "no labels layer")
        self.image = LayerChoice(viewer, Image, connections, "no image layer")
        self.tools, self.shapes = ToolButtons(), ShapeButtons()
        self.review, self.checks = ReviewBox(), ChecksBox()
        self.job, self.error = JobPanel(step="thousand objects"), ErrorBox()
        self.jobs = CorrectJobs(self.job, self.checks, self)
        self.saving = SaveBox()
        self.about, self.object = Sentence("What is corrected"), Sentence("Selected object")
        self.notes = Sentence("Notes")
        self._build()
        self._connect()
        self._follow_layer()

    @property
    def session(self) -> CorrectSession | None:
        """What is being corrected."""
        return self._session

    def _build(self) -> None:
        form = new_form()
        add_row(form, "&Labels", self.labels, "Labels layer to correct. It follows the layer you select.")
        add_row(form, "&Image", self.image, "Image that *Add by click* grows objects from.")
        self.copy_button = small_button("Copy into memory", "Make a copy that can be edited.")
        self.undo_button = small_button("Undo", "Undo the last step. Key: Ctrl+Z.")
        self.redo_button = small_button("Redo", "Do the last undone step again. Key: Ctrl+Shift+Z.")
        self.help_button = small_button("Keys (F1)", "Show all keys over the image. Key: F1.", checkable=True)
        row = QHBoxLayout()
        for button in (self.undo_button, self.redo_button, self.help_button):
            row.addWidget(button)
        edit = QWidget()
        inner = QVBoxLayout(edit)
        inner.setContentsMargins(0, 4, 0, 0)
        for widget in (self.tools, self.object, self.shapes):
            inner.addWidget(widget)
        inner.addStretch(1)
        self.tabs = QTabWidget()
        self.tabs.setAccessibleName("Edit, review or check")
        for widget, title in ((edit, "Edit"), (self.review, "Review"), (self.checks, "Check")):
            self.tabs.addTab(widget, title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(6)
        layout.addLayout(form)
        layout.addWidget(self.about)
        layout.addWidget(self.copy_button)
        layout.addLayout(row)
        for widget in (self.tabs, self.job, self.error, self.notes, self.saving):
            layout.addWidget(widget)
        layout.addStretch(1)
        order = [self.labels, self.image, self.copy_button, self.undo_button, self.redo_button]
        for before, after in pairwise([*order, self.help_button, self.tabs]):
            QWidget.setTabOrder(before, after)

    def _connect(self) -> None:
        self.labels.chosen.connect(self._attach.defer)
        self.image.chosen.connect(self._on_image)
        self.copy_button.clicked.connect(self._on_copy)
        self.undo_button.clicked.connect(partial(self.act, "undo"))
        self.redo_button.clicked.connect(partial(self.act, "redo"))
        self.help_button.toggled.connect(partial(show_help, self._viewer))
        self.tools.pressed.connect(self._on_tool)
        self.shapes.pressed.connect(self.act)
        self.shapes.class_chosen.connect(self._on_class)
        self.shapes.pixels.valueChanged.connect(self._on_extent)
        self.shapes.all_planes.toggled.connect(self._on_extent)
        self.tabs.currentChanged.connect(self._show)
        self.review.started.connect(self.jobs.order_review)
        self.review.pressed.connect(self.act)
        self.review.coloured.connect(self._on_colour)
        self.saving.asked.connect(self._on_save)
        self.job.failed.connect(self.error.show_error)
        self.job.succeeded.connect(self._show)
        self.jobs.said.connect(self._say)
        self.jobs.failed.connect(self._fail)
        self.jobs.ordered.connect(self._on_ordered)
        self._connections.connect(self._viewer.layers.events.removed, self._on_removed)

    def _follow_layer(self) -> None:
        """Work on the chosen layer, or say why that is not possible."""
        layer = self.labels.layer
        self._watch(layer)
        if self._session is not None and self._session.layer is not layer:
            self._session.tools.use(None)
        self._session, problem, lazy = None, "", False
        if layer is None:
            problem = "Segment an image first, or add a labels layer."
        elif not layer.editable:
            problem = "This layer is locked or still being filled."
            problem += " Multiscale labels can't be edited." if layer.multiscale else ""
        else:
            try:
                self._session = self._session_of(layer)
            except LabelsError as error:
                problem, lazy = str(error), True
        self.jobs.follow(self._session)
        self._on_extent()
        self.copy_button.setVisible(lazy)
        for widget in (self.tabs, self.help_button, self.saving):
            widget.setEnabled(self._session is not None)
        self.about.say(f"⚠ {problem}" if problem else "")
        self._show()

    def _watch(self, layer: Labels | None) -> None:
        """Follow whether the layer may be edited, and which label is selected."""
        if layer is self._followed:
            return
        if self._followed is not None:
            self._connections.disconnect(self._followed.events.editable, self._on_layer_event)
            self._connections.disconnect(self._followed.events.selected_label, self._show)
        self._followed = layer
        if layer is not None:
            self._connections.connect(layer.events.editable, self._on_layer_event)
            self._connections.connect(layer.events.selected_label, self._show)

    def _session_of(self, layer: Labels) -> CorrectSession:
        session = self._sessions.get(layer)
        if session is None or session.correction.editor.closed:
            session = self._begin(layer)
        session.correction.image_layer = self.image.layer
        self.shapes.all_planes.setVisible(layer.ndim > 2)
        return session

    def _begin(self, layer: Labels, resumed: Resumed | None = None) -> CorrectSession:
        session = CorrectSession(self._viewer, layer, self.image.layer, self._later, resumed)
        session.say, session.fail = self._say, self._fail
        self._say(session.note)
        session.tools.on_change.append(self._show)
        session.journaling.on_saved = self._show
        session.correction.editor.watchers.append(partial(self._on_step, session))
        for key in ALL_KEYS:
            layer.bind_key(key.key, self._bound(key.action), overwrite=True)
        self._sessions[layer] = session
        return session

    def resume(self, anchor: Layer, found: FoundJournal) -> None:
        """Go on with the work of a journal, in the middle of a review too."""
        for layer in [layer for layer in self._sessions if layer.name == found.about.layer]:
            self._end(self._sessions.pop(layer))
        try:
            resumed = resume(self._viewer, anchor, found)
        except CellSegError as error:
            self._fail(error)
            return
        restored, session = resumed.restored, self._begin(resumed.layer, resumed)
        self._viewer.layers.selection.active = resumed.layer
        self.labels.choose(resumed.layer)
        self._follow_layer()
        if restored.review is not None:
            frame = session.correction.editor.rows.frame
            review = session.begin_review(frame.assign(reason=""), restored.review)
            review.on_change.append(self._show)
            self.tabs.setCurrentWidget(self.review)
            review.show_current()
        self._say(resumed.words)

    def _bound(self, action: str) -> Callable[[Labels], None]:
        def press(layer: Labels) -> None:
            self.act(action)

        return press

    def _on_step(self, session: CorrectSession, step: EditStep | None, what: str) -> None:
        self.jobs.note_step(session, step, what)
        self._show()

    def _on_layer_event(self, event: Any = None) -> None:
        self._attach.defer()

    def _on_image(self) -> None:
        if self._session is not None:
            self._session.correction.image_layer = self.image.layer

    def _on_removed(self, event: Any = None) -> None:
        for layer in [layer for layer in self._sessions if layer not in self._viewer.layers]:
            self._end(self._sessions.pop(layer))
        self._attach.defer()

    def _on_save(self, path: Path) -> None:
        if self._session is not None:
            self.error.clear()
            try:
                self._session.save(path)
            except CellSegError as error:
                self._fail(error)
            self._show()

    def _on_copy(self) -> None:
        layer = self.labels.layer
        if layer is not None:
            replace_labels(layer, np.array(layer.data, np.dtype(layer.data.dtype).newbyteorder("=")))
            self._follow_layer()
            self._say("These labels are a copy in memory now: save them when you are done.")

    def act(self, action: str, *_: object) -> None:
        """Do what a key or a button stands for: a tool, an edit, a step of the review."""
        session = self._session
        if action == HELP_KEY.action:
            self.help_button.toggle()
        elif session is None or self.job.running:
            self._say("Nothing to work on yet." if session is None else "Wait until the job below is done.")
        elif action in Tool.__members__:
            session.tools.press(Tool[action])
        else:
            self.error.clear()
            self._acting = True
            try:
                self._do(session, action)
            except CellSegError as error:
                self._fail(error)
            finally:
                self._acting = False
            self._show()

    def _do(self, session: CorrectSession, action: str) -> None:
        correction, review = session.correction, session.review
        if action in ("undo", "redo"):
            getattr(correction.editor, action)()
        elif action in REVIEW_ACTIONS:
            if review is None:
                self.jobs.order_review()
            else:
                getattr(review, action)()
        elif action == "delete" and review is not None and self.tabs.currentWidget() is self.review:
            review.delete()
        else:
            objects = session.tools.targets()
            if not objects:
                raise LabelsError("Select an object first: press Q and click it.")
            self._say(getattr(correction, action)(objects))

    def _on_tool(self, tool: Tool) -> None:
        self.act(tool.name)
        self._show()

    def _on_class(self, name: str) -> None:
        if self._session is not None:
            self._say(self._session.correction.set_class(self._session.tools.targets(), name))

    def _on_extent(self, *_: object) -> None:
        if self._session is not None:
            self._session.correction.pixels = self.shapes.pixels.value()
            self._session.correction.all_planes = self.shapes.all_planes.isChecked()

    def _on_colour(self, shown: bool) -> None:
        if self._session is not None:
            self._session.colours.show(shown)

    def _on_ordered(self, session_and_rows: tuple[CorrectSession, Any]) -> None:
        session, rows = session_and_rows
        review = session.begin_review(rows)
        review.on_change.append(self._show)
        if session is self._session:
            self.tabs.setCurrentWidget(self.review)
            review.next()
        self._show()

    def _say(self, words: str) -> None:
        self.error.clear()
        self.notes.say(words)

    def _fail(self, error: Exception) -> None:
        self.notes.say("")
        self.error.show_error(error)

    def _show(self, event: Any = None) -> None:
        """Show the tool, the object, what can be undone, and where the review stands."""
        if self._acting:
            return
        session = self._session
        self.tools.show_tools(session.tools if session is not None else None)
        review: Review | None = session.review if session is not None else None
        if review is None or self.tabs.currentWidget() is self.review:
            self.review.show_review(review)
        self.review.colour.setChecked(session is not None and session.colours.shown)
        editor = session.correction.editor if session is not None else None
        show_next(self.undo_button, "Undo", editor.undo_names if editor else ())
        show_next(self.redo_button, "Redo", editor.redo_names if editor else ())
        if session is None:
            self.object.say("")
            self.saving.show_state("", None, Path())
            return
        self.object.say(session.correction.describe(session.correction.selected))
        self.shapes.show_classes(session.correction.classes())
        session.show_targets()
        journaling, suggested = session.journaling, suggested_path(session.layer, self.image.layer)
        self.saving.show_state(journaling.sentence, journaling.saved, suggested)
        count = len(session.correction.editor.index)
        words = f"{count:,} {'object' if count == 1 else 'objects'} in '{session.layer.name}'."
        self.about.say(f"{words} {session.correction.editor.slider_rest.words}".strip())

    def _end(self, session: CorrectSession) -> None:
        for key in ALL_KEYS:
            session.layer.bind_key(key.key, None)
        session.close()
        if self._session is session:
            self._session = None

    def close_sessions(self) -> None:
        """Give all layers, their keys and the canvas back to napari."""
        show_help(self._viewer, False)
        for session in self._sessions.values():
            self._end(session)
        self._sessions.clear()
