"""Which epochs of which networks vote: the best and most stable ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import pstdev

NEIGHBOURS = 2
"""Epochs before and after one that tell how stable it is."""

LEAST = 0.5
"""Networks whose score is below this share of the best one's have learnt too little to vote."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """The weights of a network after an epoch.

    Attributes
    ----------
    member : str
        Name of the network.
    epoch : int
        The first is 1.
    score : float
        F1 of the pixels of the validation patches.
    spread : float
        Standard deviation of that F1 over this epoch and up to `NEIGHBOURS` before and after it.
    """

    member: str
    epoch: int
    score: float
    spread: float

    @property
    def merit(self) -> float:
        """Score minus spread: what this network reaches in a bad epoch near this one."""
        return self.score - self.spread


def candidates(member: str, scores: Sequence[float]) -> list[Candidate]:
    """Epochs of a network with how good and how stable they are.

    Parameters
    ----------
    member : str
        Name of the network.
    scores : sequence of float
        Validation F1 after each epoch.
    """
    found = []
    for i, score in enumerate(scores):
        near = scores[max(0, i - NEIGHBOURS) : i + NEIGHBOURS + 1]
        found.append(Candidate(member, i + 1, score, pstdev(near)))
    return found


def ranked(found: Iterable[Candidate]) -> list[Candidate]:
    """Candidates, the highest merit first, of equal ones the higher score, then the earlier epoch."""
    return sorted(found, key=lambda c: (-c.merit, -c.score, c.epoch, c.member))


def pick(found: Iterable[Candidate], count: int, most: int) -> list[Candidate]:
    """The candidates that vote.

    The paper picks by "best validation metrics and stable performance", and no more precisely. Here those of
    the highest merit are taken, of each network at most `most`: neighbouring epochs of one network make the
    same mistakes, and a vote is worth the differences. Epochs far behind the best (`LEAST`) don't vote.

    Parameters
    ----------
    found : iterable of Candidate
        All epochs of all networks.
    count : int
        How many vote.
    most : int
        Of one network, at most.

    Returns
    -------
    list of Candidate
        The highest merit first; fewer than `count` where there are no more.
    """
    every = ranked(found)
    least = LEAST * max((candidate.score for candidate in every), default=0.0)
    chosen: list[Candidate] = []
    taken: dict[str, int] = {}
    for candidate in every:
        if candidate.score < least:
            continue
        if len(chosen) < count and taken.get(candidate.member, 0) < most:
            taken[candidate.member] = taken.get(candidate.member, 0) + 1
            chosen.append(candidate)
    return chosen


def kept_epochs(scores: Sequence[float], most: int, *, finished: bool) -> set[int]:
    """Epochs of a network that may still be picked, whatever the epochs to come bring.

    Parameters
    ----------
    scores : sequence of float
        Validation F1 after each epoch.
    most : int
        Epochs of one network that are picked, at most.
    finished : bool
        Whether no epoch is to come. The spread of the last `NEIGHBOURS` depends on what comes.
    """
    found = candidates("", scores)
    settled = len(found) if finished else max(0, len(found) - NEIGHBOURS)
    return {c.epoch for c in (*ranked(found[:settled])[:most], *found[settled:])}
