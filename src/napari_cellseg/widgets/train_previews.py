"""What the network in training finds now: small pictures with outlines."""

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QGridLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from napari_cellseg.viewer.train_pictures import BOTH, FOUND, TRUTH, Picture, PreviewPicture
from napari_cellseg.widgets.fields import explain

EDGE = 158
"""Edge of a picture in the dock, pixels, so that two fit beside each other."""
COLUMNS = 2
LEGEND = (
    f'<span style="color:{FOUND}">■</span>&nbsp;found &nbsp;<span style="color:{TRUTH}">■</span>&nbsp;true '
    f'&nbsp;<span style="color:{BOTH};background:#555">■</span>&nbsp;both'
)


class PreviewsBox(QWidget):
    """Shows pictures of a training. Signal `opened`: a `PreviewPicture` that was clicked."""

    opened = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel()
        self.title.setTextFormat(Qt.TextFormat.RichText)
        self.title.setWordWrap(True)
        self.buttons: list[QToolButton] = []
        self._pictures: Sequence[PreviewPicture] = ()
        self._grid = QGridLayout()
        self._grid.setSpacing(4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.title)
        layout.addLayout(self._grid)
        self.setVisible(False)

    def show_pictures(self, pictures: Sequence[PreviewPicture]) -> None:
        """Show pictures in place of those before."""
        self._pictures = pictures
        while len(self.buttons) < len(pictures):
            self._add_button()
        for number, button in enumerate(self.buttons):
            button.setVisible(number < len(pictures))
        for button, picture in zip(self.buttons, pictures, strict=False):
            shown = pixmap(picture.picture, EDGE)
            button.setIcon(QIcon(shown))
            button.setIconSize(shown.size())
            explain(button, picture.words, f"{picture.words}. Click to see it large in the viewer.")
        if pictures:
            self.title.setText(f"<b>Images</b> at epoch {pictures[0].preview.epoch} &nbsp;{LEGEND}")
        self.setVisible(bool(pictures))

    def _add_button(self) -> None:
        number = len(self.buttons)
        button = QToolButton()
        button.setAutoRaise(True)
        button.clicked.connect(lambda: self.opened.emit(self._pictures[number]))
        self._grid.addWidget(button, *divmod(number, COLUMNS), Qt.AlignmentFlag.AlignLeft)
        self.buttons.append(button)


def pixmap(picture: Picture, edge: int) -> QPixmap:
    """A picture, enlarged or shrunk until its longer edge fits.

    Parameters
    ----------
    picture : (H, W, 3) ndarray of uint8
        RGB.
    edge : int
        Pixels.
    """
    height, width, _ = picture.shape
    image = QImage(picture.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image).scaled(
        edge, edge, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    )
