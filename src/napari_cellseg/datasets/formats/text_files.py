"""Text files of others, read within limits."""

from pathlib import Path

from napari_cellseg.errors import DatasetError


def read_text(path: Path, largest: int) -> str:
    """Text of a file in UTF-8, with or without a byte-order mark.

    Parameters
    ----------
    path : Path
        The file.
    largest : int
        Bytes that it may have.

    Raises
    ------
    DatasetError
        Where it is missing, unreadable, too large or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(largest + 1)
        if len(content) > largest:
            raise DatasetError(f"'{path}' is larger than {largest:,} bytes, which no such file is.")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DatasetError(f"'{path}', line {line}: it is not text in UTF-8.") from error
    except (OSError, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise DatasetError(f"'{path}' cannot be read: {reason}.") from error
