"""How the images of a dataset are arranged: splits, classes, and which of them are there."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias

from napari_cellseg.datasets.changing import changing
from napari_cellseg.datasets.contents import Contents
from napari_cellseg.datasets.moving import moving_images, removing_images
from napari_cellseg.datasets.reclassing import reclassing_images
from napari_cellseg.datasets.sample import SPLITS, Split
from napari_cellseg.datasets.settings import (
    Settings,
    checked_classes,
    checked_fractions,
    read_settings,
    write_settings,
)
from napari_cellseg.datasets.splitting import split_anew
from napari_cellseg.datasets.transaction import Transaction
from napari_cellseg.errors import DatasetError
from napari_cellseg.events import Job, drain

Reclassed: TypeAlias = tuple[Sequence[str], Mapping[str, str]]
"""The classes that will hold, and new names by old ones."""


@dataclass
class Change:
    """A change of a dataset that is being prepared.

    Attributes
    ----------
    transaction : Transaction
        Its files.
    settings : Settings
        The settings that will hold.
    """

    transaction: Transaction
    settings: Settings


class Arrangement(Contents):
    """Images of a dataset that was opened and may be rearranged; see `Dataset`, which also adds some."""

    def refresh(self) -> None:
        """Take in what other processes have changed; errors as in `Dataset.open`."""
        self._settings = read_settings(self._folder)
        self._catalogue.refresh()

    def resplitting(
        self, fractions: Sequence[float] | None = None, seed: int | None = None
    ) -> Job[dict[str, Split]]:
        """Split all images anew; those of one group, of one source and near-duplicates stay together.

        Parameters
        ----------
        fractions : sequence of float, optional
            Shares of train, val and test; as they are unless given.
        seed : int, optional
            As it is unless given.

        Returns
        -------
        dict of str to str
            The split that each image has left that is in another one now.

        Raises
        ------
        DatasetError
            Where the fractions are not three shares, or another process is changing the dataset.
        OutputError
            Where the folder cannot be written.
        """
        with self._changing() as change:
            shares = change.settings.fractions if fractions is None else checked_fractions(fractions)
            seed = change.settings.seed if seed is None else int(seed)
            change.settings = replace(change.settings, fractions=shares, seed=seed)
            splits = split_anew(self.entries(), shares, seed)
            left = yield from moving_images(self._catalogue, change.transaction, splits)
        return left

    def resplit(self, fractions: Sequence[float] | None = None, seed: int | None = None) -> dict[str, Split]:
        """`resplitting`, run to its end."""
        return drain(self.resplitting(fractions, seed))

    def move(self, names: str | Iterable[str], split: Split) -> None:
        """Put images into a split; errors as in `resplitting`, and where a name is unknown."""
        if split not in SPLITS:
            raise DatasetError(f"split must be one of {', '.join(SPLITS)}, not '{split}'.")
        with self._changing() as change:
            chosen = self._chosen(None, names)
            drain(moving_images(self._catalogue, change.transaction, dict.fromkeys(chosen, split)))

    def remove(self, names: str | Iterable[str]) -> None:
        """Remove images with all their files; errors as in `move`."""
        with self._changing() as change:
            chosen = self._chosen(None, names)
            drain(removing_images(self._catalogue, change.transaction, chosen))

    def renaming_class(self, old: str, new: str) -> Job[None]:
        """Give a class another name, which no other class has; see `merging_class`.

        Raises
        ------
        DatasetError
            Where there is no such class, the new name is taken or no name, or another process is changing
            the dataset.
        OutputError
            Where the folder cannot be written.
        """

        def renamed() -> Reclassed:
            self._check_class(old)
            if new != old and new in self.classes:
                raise DatasetError(
                    f"There is a class '{new}' already. To give it the objects of '{old}', merge the two: "
                    f"merge_class({old!r}, into={new!r})."
                )
            classes = [new if name == old else name for name in self.classes]
            return classes, {old: new} if old != new else {}

        yield from self._reclassing(renamed)

    def rename_class(self, old: str, new: str) -> None:
        """`renaming_class`, run to its end."""
        drain(self.renaming_class(old, new))

    def merging_class(self, name: str, into: str) -> Job[None]:
        """Give all objects of a class to another one, and leave it out; nothing tells them apart later.

        Parameters
        ----------
        name : str
            The class that goes.
        into : str
            The class that takes its objects over.

        Raises
        ------
        DatasetError
            Where one of them is no class, they are the same, or another process is changing the dataset.
        OutputError
            Where the folder cannot be written.
        """

        def merged() -> Reclassed:
            self._check_class(name)
            self._check_class(into)
            if name == into:
                raise DatasetError(f"A class is merged into another one, not '{name}' into itself.")
            return [kept for kept in self.classes if kept != name], {name: into}

        yield from self._reclassing(merged)

    def merge_class(self, name: str, into: str) -> None:
        """`merging_class`, run to its end."""
        drain(self.merging_class(name, into))

    def set_classes(self, classes: Sequence[str]) -> None:
        """Choose the classes and their order; those that have objects must be among them.

        Raises
        ------
        DatasetError, OutputError
            As in `rename_class`.
        """
        drain(self._reclassing(lambda: (classes, {})))

    def _reclassing(self, chosen: Callable[[], Reclassed]) -> Job[None]:
        """Change the classes to what is chosen when no other process changes them any more."""
        with self._changing() as change:
            classes, renamed = chosen()
            before = change.settings
            change.settings = replace(before, classes=checked_classes(classes))
            job = reclassing_images(self._catalogue, change.transaction, before, change.settings, renamed)
            yield from job

    def _check_class(self, name: str) -> None:
        if name not in self.classes:
            raise DatasetError(f"There is no class '{name}'; there are {', '.join(self.classes)}.")

    @contextmanager
    def _changing(self) -> Iterator[Change]:
        """A change that is carried out at the end of the block, or not at all."""
        with changing(self._folder) as transaction:
            self.refresh()
            change = Change(transaction, self._settings)
            try:
                yield change
                if change.settings != self._settings:
                    write_settings(transaction, change.settings)
                transaction.commit()
            except BaseException:
                self._catalogue.refresh()
                raise
            self._settings = change.settings
            self._catalogue.settle()
            self._catalogue.save()
