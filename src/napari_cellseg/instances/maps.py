"""The maps of a pixel model, decoded as its card says."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.instances.decoding import Decoded, Maps, VoteDecoding, decode_with_features
from napari_cellseg.instances.mask_decoding import MaskDecoding, decode_mask_with_features

Decoding: TypeAlias = VoteDecoding | MaskDecoding
"""How maps become objects: by votes, or as pieces of a mask."""


def decode_maps(maps: Maps, params: Decoding) -> Decoded:
    """Objects of the maps of a pixel model, weak candidates included.

    Parameters
    ----------
    maps : (K, H, W) ndarray of float32
        As `decode_votes` or `decode_mask` takes them.
    params : VoteDecoding or MaskDecoding
        How to decode.
    """
    return decode_maps_with_features(maps, params)[0]


def decode_maps_with_features(maps: Maps, params: Decoding) -> tuple[Decoded, NDArray[np.float64]]:
    """Objects as `decode_maps` finds them, and the features of their confidence, (N, 4)."""
    if isinstance(params, MaskDecoding):
        return decode_mask_with_features(maps, params)
    return decode_with_features(maps, params)


def object_medians(values: NDArray[np.float32], labels: NDArray[np.int32], count: int) -> NDArray[np.float32]:
    """Median of a map over each of the labels 1 to `count`, (count,); 0 for a label without pixels.

    Of an even number of values it is the lower one of the two in the middle.
    """
    places = np.flatnonzero(labels)
    of, seen = labels.ravel()[places], values.ravel()[places]
    seen = seen[np.lexsort((seen, of))]
    areas = np.bincount(of, minlength=count + 1)[1 : count + 1]
    medians = np.zeros(count, np.float32)
    middle = np.cumsum(areas) - areas + (areas - 1) // 2
    medians[areas > 0] = seen[middle[areas > 0]]
    return medians
