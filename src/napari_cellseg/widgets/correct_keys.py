"""Keys of the Correct dock, none of which napari uses on a labels layer; and the page that lists them."""

from dataclasses import dataclass

from napari.components import ViewerModel

from napari_cellseg.viewer.correct_tools import Tool


@dataclass(frozen=True, slots=True)
class Key:
    """A key and what it does.

    Attributes
    ----------
    key : str
        As napari writes it.
    action : str
        Name of the action, or of the tool.
    words : str
        For the user.
    """

    key: str
    action: str
    words: str

    @property
    def shown(self) -> str:
        """The key as people read it."""
        return self.key.replace("-", "+")


TOOL_KEYS = tuple(Key(tool.value.key, tool.name, f"{tool.value.title}: {tool.value.hint}") for tool in Tool)
SHAPE_KEYS = (
    Key("D", "delete", "delete the selected object"),
    Key("U", "split_automatically", "split the selected object at its necks"),
    Key("H", "fill_holes", "fill its holes"),
    Key("O", "smooth", "smooth its border"),
    Key("K", "keep_largest_piece", "keep only its largest piece"),
    Key("Shift-G", "grow", "grow it"),
    Key("Shift-K", "shrink", "shrink it"),
)
REVIEW_KEYS = (
    Key("A", "accept", "accept and go to the next"),
    Key("N", "skip", "skip: leave it for the end"),
    Key("Shift-N", "back", "back to the one before"),
    Key("Shift-A", "accept_view", "accept all objects in the field of view"),
)
HELP_KEY = Key("F1", "help", "show or hide this page")
ALL_KEYS = (*TOOL_KEYS, *SHAPE_KEYS, *REVIEW_KEYS, HELP_KEY)

NAPARI_KEYS = (
    ("Ctrl+Z, Ctrl+Shift+Z", "undo, redo, everything in one order"),
    ("2 or P, 1 or E, 3, 4 or F", "napari's brush, eraser, polygon and fill"),
    ("M", "a new label to paint with"),
)


def help_text() -> str:
    """All keys on one page; napari's box is two lines too short, hence the empty ones at the end."""
    parts = []
    for title, keys in (("TOOLS", TOOL_KEYS), ("SELECTED OBJECT", SHAPE_KEYS), ("REVIEW", REVIEW_KEYS)):
        parts.append("\n".join([title, *(f"  {key.shown:<9} {key.words}" for key in keys)]))
    parts.append("\n".join(["NAPARI", *(f"  {key}: {words}" for key, words in NAPARI_KEYS)]))
    return "\n".join([*parts, f"{HELP_KEY.shown} hides this page.", " ", " "])


def show_help(viewer: ViewerModel, shown: bool) -> None:
    """Lay the page over the canvas, or take it away."""
    overlay = viewer.canvas.overlays.text
    if not shown and overlay.text != help_text():
        return
    overlay.text = help_text() if shown else ""
    overlay.font_size = 8
    overlay.position = "top_left"
    overlay.box = shown
    overlay.visible = shown
