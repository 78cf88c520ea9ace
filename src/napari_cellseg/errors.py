"""What a user can do wrong, in words: what must hold, what was given, what to do next."""


class CellSegError(Exception):
    """Base of every error that this package raises on purpose; its text is meant for users."""


class ImageError(CellSegError, ValueError):
    """An image that cannot be used: zero size, all NaN, an unsupported dtype, an unreadable file."""


class AxesError(ImageError):
    """Axes that do not fit the image, or a channel that it does not have."""


class LabelsError(CellSegError, ValueError):
    """Labels that cannot be edited: read-only, lazy, changed meanwhile, or too few ids in their dtype."""


class ModelError(CellSegError, ValueError):
    """A model that is unknown, corrupt, or does not fit its card."""


class UntrustedFileError(ModelError):
    """A file that can run code when it is opened, and that this user has not trusted yet.

    Attributes
    ----------
    path : str
        The file.
    """

    def __init__(self, path: str) -> None:
        super().__init__(
            f"'{path}' is a pickle: opening it can run any code that its author put inside. Trust it only if "
            f"you know where it comes from: press Trust this file, or add --trust to the command. An ONNX "
            f"export of the model is safe to open."
        )
        self.path = path


class DeviceError(CellSegError, RuntimeError):
    """A device that is unknown or cannot be used on this machine."""


class OutOfMemoryError(DeviceError):
    """A device ran out of memory for the tile that it was given."""


class MissingDependencyError(CellSegError, ImportError):
    """An optional package that this job needs is not installed."""

    def __init__(self, what: str, package: str, extra: str, *, wanted: str = "") -> None:
        super().__init__(
            f"{what} needs '{package}', which is not installed. "
            f'Install it with: pip install "{wanted or f"napari-cellseg[{extra}]"}"'
        )


class OptionError(CellSegError, ValueError):
    """An argument outside what is allowed; the text names the rule, the allowed and the given value."""


class OutputError(CellSegError, OSError):
    """A result that cannot be written: no permission, a full disk, an existing file."""


class JournalError(CellSegError, OSError):
    """A journal of edits that cannot be written or read, or that is not for these labels."""


class DatasetError(CellSegError, ValueError):
    """A dataset or a file of annotations that is broken, unsafe or does not fit; the text names the place."""


class TrainingError(CellSegError, RuntimeError):
    """A training that cannot start or that ended before its time; the text says where its last state lies."""


class CellSegWarning(UserWarning):
    """Something that the job handled by itself and that a user should know."""
