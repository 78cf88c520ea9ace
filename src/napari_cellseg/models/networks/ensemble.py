"""Networks that vote, as one network and as one ONNX file with its card."""

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from napari_cellseg.errors import ModelError, OptionError
from napari_cellseg.models.card import DISAGREEMENT, ModelCard, card_text, file_hash, parse_card, write_card
from napari_cellseg.models.networks.exporting import export_graph
from napari_cellseg.outputs import replacing

Vote = Literal["mean", "majority"]
Precision = Literal["float32", "float16"]

AGREEMENT = 1e-4
"""Largest difference to PyTorch that a float32 file may show."""
_TURNED = 1e-3
_LARGEST_FILE = 2**31
_BYTES = {"float32": 4, "float16": 2}


class Ensemble(nn.Module):
    """Networks that look at the same image and vote.

    Parameters
    ----------
    members : sequence of Module
        Each from an image (N, 3, H, W), intensities from 0 to 1, to (N, K, H, W): logits of the foreground
        and, all or none, the distance to the border. Members with `encode` and `decode` whose ``encoder`` is
        the same to the bit, as frozen ones are, share one: it runs once. They are put into evaluation mode.
    vote : {"mean", "majority"}
        Whether the foreground is the mean of their probabilities, or the share of those that say cell
        (probability of at least a half).
    distance : bool
        Whether members give the distance.

    Attributes
    ----------
    maps : tuple of str
        ``foreground``, ``distance`` where they give it (the mean of all), and of several members
        ``disagreement``: the standard deviation of what is averaged for the foreground, over the largest
        that it can be, 0 to 1.

    Raises
    ------
    OptionError
        Where there is no member, or no such vote.
    """

    def __init__(self, members: Sequence[nn.Module], vote: Vote = "mean", *, distance: bool = False) -> None:
        super().__init__()
        if not members:
            raise OptionError("An ensemble needs at least one network.")
        if vote not in ("mean", "majority"):
            raise OptionError(f"vote must be 'mean' or 'majority', not {vote!r}.")
        self.members, self.vote = nn.ModuleList(members).eval(), vote
        self.heads = ("foreground", "distance") if distance else ("foreground",)
        self.maps = (*self.heads, DISAGREEMENT) if len(members) > 1 else self.heads
        self._leaders = share_encoders(members)

    @property
    def parameter_count(self) -> int:
        """Numbers in all members; what they share counts once."""
        return sum(p.numel() for p in self.parameters())

    def forward(self, image: Tensor) -> Tensor:
        """Maps of shape (N, K, H, W) float32, those of `maps` in order; intensities are cut to 0 to 1."""
        found = torch.stack(self._found(image.clamp(0, 1)))
        foreground = torch.sigmoid(found[:, :, :1])
        if self.vote == "majority" and len(self.members) > 1:
            foreground = (foreground >= 0.5).to(found.dtype)
        mean = foreground.mean(0)
        maps = [mean, found[:, :, 1:].mean(0)]
        if len(self.members) > 1:
            maps.append(2 * torch.sqrt((foreground - mean).square().mean(0)))
        return torch.cat(maps, dim=1)

    def _found(self, image: Tensor) -> list[Tensor]:
        """What each member says, (N, K, H, W) float32, whatever it computes in."""
        image = image.to(next(self.parameters()).dtype)
        encoded: dict[int, Any] = {}
        found = []
        for member, leader in zip(self.members, self._leaders, strict=True):
            if leader is None:
                maps = member(image)
            else:
                if leader not in encoded:
                    encoded[leader] = self.members[leader].encode(image)
                maps = member.decode(encoded[leader])
            if maps.shape[1] != len(self.heads):
                raise OptionError(
                    f"Every network of this ensemble must give {' and '.join(self.heads)}; "
                    f"one gives {maps.shape[1]} maps."
                )
            found.append(maps.float())
        return found


def share_encoders(members: Sequence[nn.Module]) -> list[int | None]:
    """Make equal encoders of members one.

    Parameters
    ----------
    members : sequence of Module
        Those with ``encoder``, `encode` and `decode` are looked at; where encoders are equal, the later
        members get the module of the first.

    Returns
    -------
    list of int or None
        Position of the member whose encoder each uses; None for one that has no encoder to share.
    """
    leaders: list[int | None] = []
    for position, member in enumerate(members):
        if not all(hasattr(member, part) for part in ("encoder", "encode", "decode")):
            leaders.append(None)
            continue
        same = (k for k in dict.fromkeys(leaders) if k is not None and _are_equal(members[k], member))
        leader = next(same, position)
        if leader != position:
            member.encoder = members[leader].encoder
        leaders.append(leader)
    return leaders


def _are_equal(first: nn.Module, second: nn.Module) -> bool:
    """Whether two members' encoders are the same network with the same weights."""
    one, other = first.encoder, second.encoder
    if type(first) is not type(second) or repr(one) != repr(other):
        return False
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def export_ensemble(
    ensemble: Ensemble,
    path: Path,
    *,
    precision: Precision = "float32",
    stride: int = 32,
    edge: int = 64,
    opset: int = 18,
    free_sizes: bool = False,
) -> float:
    """Write an ensemble as one ONNX graph with free batch, height and width.

    Parameters
    ----------
    ensemble : Ensemble
        Moved to the CPU; else unchanged.
    path : Path
        File to write; ``image`` (N, 3, H, W) and ``maps`` (N, K, H, W), both float32.
    precision : {"float32", "float16"}
        What weights are stored and members computed in. float16 halves the file and is fast on a GPU; on a
        CPU, ONNX Runtime computes it in float32. Votes are counted in float32.
    stride : int
        H and W must be multiples of it.
    edge, opset, free_sizes
        As of `export_graph`.

    Returns
    -------
    float
        Largest difference between the ensemble as it is and the file in ONNX Runtime, see `export_graph`;
        where the majority decides, of all but one value in a thousand, since rounding may turn a vote.

    Raises
    ------
    ModelError
        Where it does not fit into one file, or the file does not say the same.
    """
    size = ensemble.parameter_count * _BYTES[precision]
    if size >= _LARGEST_FILE:
        raise ModelError(
            f"An ensemble of {size / 1e9:.1f} GB does not fit into one ONNX file of at most 2.1 GB. "
            f"Use fewer networks{' or float16' if precision == 'float32' else ''}."
        )
    original = ensemble.cpu().eval()
    network = copy.deepcopy(original).half() if precision == "float16" else original
    difference = export_graph(
        network,
        path,
        channels=3,
        stride=stride,
        edge=edge,
        opset=opset,
        free_sizes=free_sizes,
        expected=original,
        spared=_TURNED if ensemble.vote == "majority" else 0.0,
    )
    limit = AGREEMENT if precision == "float32" else math.inf
    if not difference <= limit:
        raise ModelError(
            f"The ONNX file differs from PyTorch by {difference:.2g}, more than {limit:g}; it is of no use."
        )
    return difference


def write_ensemble(
    ensemble: Ensemble,
    path: str | Path,
    card: ModelCard,
    *,
    precision: Precision = "float32",
    opset: int = 18,
    free_sizes: bool = False,
) -> tuple[ModelCard, float]:
    """Write an ensemble and its card, ``NAME.onnx`` and ``NAME.json``, each all at once.

    Parameters
    ----------
    ensemble : Ensemble
        What to write.
    path : str or Path
        The ONNX file.
    card : ModelCard
        Texts, decoder, sizes and thresholds; file, hash, maps and number of weights are filled in, and how it
        votes is added to its recipe.
    precision, opset, free_sizes
        As of `export_ensemble`.

    Returns
    -------
    (ModelCard, float)
        The card as it was written, and the largest difference to PyTorch.

    Raises
    ------
    ModelError
        Where the file would not say the same as the ensemble, or the card does not fit it.
    OutputError
        Where a file cannot be written.
    """
    path = Path(path)
    with replacing(path) as temporary:
        difference = export_ensemble(
            ensemble,
            temporary,
            precision=precision,
            stride=card.tile_multiple,
            edge=2 * card.tile_multiple,
            opset=opset,
            free_sizes=free_sizes,
        )
        votes = {"vote": ensemble.vote, "members": len(ensemble.members), "precision": precision}
        known = {
            "kind": "pixel",
            "backend": "onnx",
            "weights": path.name,
            "sha256": file_hash(temporary),
            "channels": 3,
            "maps": ensemble.maps,
            "parameters": ensemble.parameter_count,
            "recipe": {**card.recipe, **votes},
        }
        filled = parse_card(card_text(card), f"The card of '{path.name}'", **known)
    write_card(filled, path.with_suffix(".json"))
    return filled, difference
