"""What TIFF files can hold, for those who write them."""

from typing import Any

CLASSIC_BYTES = 2**32 - 2**25
"""Bytes of pixels up to which a classic TIFF can surely hold them, even if they don't compress."""

TAG_LIMIT = 2**32
"""Pixels per centimetre that no resolution tag of TIFF can hold any more; OME metadata can."""


def resolution_tags(y: float, x: float) -> dict[str, Any]:
    """Pixel edges in µm as arguments of `tifffile.imwrite`; none where the tags cannot hold them."""
    per_centimetre = (1e4 / x, 1e4 / y)
    if max(per_centimetre) >= TAG_LIMIT:
        return {}
    return {"resolution": per_centimetre, "resolutionunit": "CENTIMETER"}
