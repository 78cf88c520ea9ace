"""The user's own models: added from files and packages, renamed, removed."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_cellseg.errors import ModelError, OptionError, UntrustedFileError
from napari_cellseg.models.bioimageio.importing import is_zoo_package, unpacked_zoo
from napari_cellseg.models.card import NAME_PATTERN, write_card
from napari_cellseg.models.package import is_package, unpacked
from napari_cellseg.models.registry import (
    ORIGINS,
    PACKAGE_SUFFIXES,
    TRAINABLE_SUFFIX,
    ModelEntry,
    added_folder,
    check_model,
    close_models,
    entry_of_file,
    find_model,
    list_models,
    open_model,
)
from napari_cellseg.models.trust import is_trusted, trust_file
from napari_cellseg.outputs import make_folder, output_errors, replacing


def add_model(path: str | Path, name: str | None = None) -> ModelEntry:
    """Add a model to the user's own, after running it once on an empty tile.

    Its trainable weights, a .safetensors of the same stem beside it, come along.

    Parameters
    ----------
    path : str or Path
        A weights file with its card beside or inside it, a card, a model that was shared as one file, or a
        package of bioimage.io. Whoever trusts a shared file (`trust.trust_file`) trusts the pickle in it.
    name : str, optional
        What to call it: letters, digits, dots, dashes and underscores. The card's own name if not given.

    Raises
    ------
    ModelError
        Where the file is no model, is damaged, does not fit its card, or does not run.
    OptionError
        Where the name is not allowed or taken.
    OutputError
        Where the user's folder cannot be written.
    """
    with _source(Path(path).expanduser()) as source:
        name = source.card.name if name is None else name
        check_name(name)
        check_model(open_model(source, "cpu", keep=False))
        return _keep(source, name)


def rename_model(name: str, new: str) -> ModelEntry:
    """Give a model that was added with `add_model` another name.

    Results that were made with it keep the old name, and the same hash of the weights.

    Raises
    ------
    ModelError
        Where there is no such model, or it was not added by the user.
    OptionError
        Where the new name is not allowed or taken.
    OutputError
        Where the user's folder cannot be written.
    """
    entry = _own(name, "renamed")
    if new == entry.card.name:
        return entry
    if new.casefold() == entry.card.name.casefold():
        check_allowed(new)
        assert entry.card_path is not None
        card = entry.card.model_copy(update={"name": new})
        write_card(card, entry.card_path)
        return ModelEntry(card, entry.path, "added", entry.card_path)
    check_name(new)
    renamed = _keep(entry, new)
    _delete(entry)
    return renamed


def remove_model(name: str) -> None:
    """Remove a model that was added with `add_model`; its file of origin stays.

    Raises
    ------
    ModelError
        Where there is no such model, or it was not added by the user.
    OutputError
        Where the files cannot be deleted.
    """
    _delete(_own(name, "removed"))


def check_allowed(name: str) -> None:
    """Make sure that a model may have a name.

    Raises
    ------
    OptionError
        Where it may not.
    """
    if not re.fullmatch(NAME_PATTERN, name) or len(name) > 80:
        raise OptionError(
            f"A model's name must be 1 to 80 letters, digits, dots, dashes or underscores, and begin and end "
            f"with a letter or a digit, not {name!r}."
        )


def check_name(name: str) -> None:
    """Make sure that a new model may have a name.

    Raises
    ------
    OptionError
        Where it may not, or another one has it.
    """
    check_allowed(name)
    for entry in list_models():
        if entry.card.name.casefold() == name.casefold():
            raise OptionError(
                f"The name '{name}' is taken by a model that is {ORIGINS[entry.origin]}. "
                f"Choose another one, or remove that model first."
            )


@contextmanager
def _source(path: Path) -> Iterator[ModelEntry]:
    """The model of a file, unpacked for as long as the block lasts."""
    if not (shared := is_package(path)) and not is_zoo_package(path):
        if path.suffix.lower() in PACKAGE_SUFFIXES and path.is_file():
            raise ModelError(f"'{path}' is neither a shared model nor a package of bioimage.io.")
        yield entry_of_file(path)
        return
    with unpacked(path) if shared else unpacked_zoo(path) as card:
        entry = entry_of_file(card)
        if shared and is_trusted(path):
            trust_file(entry.path)
        try:
            yield entry
        except UntrustedFileError as error:
            raise UntrustedFileError(str(path)) from error
        except ModelError as error:
            raise ModelError(str(error).replace(str(entry.path), str(path))) from error


def _own(name: str, what: str) -> ModelEntry:
    entry = find_model(name)
    if entry.origin != "added":
        where = ORIGINS.get(entry.origin, "a file of yours")
        raise ModelError(f"The model '{name}' is {where}; only models that you added can be {what}.")
    return entry


def _keep(source: ModelEntry, name: str) -> ModelEntry:
    """Copy a model into the user's folder; the card comes last, as without it there is no model."""
    folder = make_folder(added_folder())
    weights, card_path = folder / f"{name}{source.path.suffix}", folder / f"{name}.json"
    trainable = weights.with_suffix(TRAINABLE_SUFFIX)
    _check_free(name, {weights, card_path, trainable})
    card = source.card.model_copy(update={"name": name, "weights": weights.name})
    _copy(source.path, weights)
    if source.trainable is not None:
        _copy(source.trainable, trainable)
    elif trainable != weights:
        with output_errors(trainable):
            trainable.unlink(missing_ok=True)
    write_card(card, card_path)
    return ModelEntry(card, weights, "added", card_path)


def _check_free(name: str, targets: set[Path]) -> None:
    """Make sure that no other model has its files there, under whatever name."""
    for entry in list_models():
        if targets & {entry.path, entry.trainable, entry.card_path}:
            raise OptionError(
                f"The files of the model '{entry.card.name}' are called '{name}'. Choose another name."
            )


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def _delete(entry: ModelEntry) -> None:
    """Delete a model's files, the card first."""
    files = [entry.card_path, entry.path, entry.trainable]
    with output_errors(entry.path):
        for file in files:
            if file is not None:
                file.unlink(missing_ok=True)
    close_models()
