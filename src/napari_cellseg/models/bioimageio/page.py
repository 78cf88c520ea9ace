"""The page and the cover of a model in a package of bioimage.io."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.models.card import ModelCard

SOURCE = "https://github.com/napari-cellseg/napari-cellseg"
"""Where this package is developed."""

_OUTLINE = (255, 176, 0)


def page(card: ModelCard, simulated: bool) -> str:
    """Documentation of a model in Markdown: what it finds, how maps become objects, its scores, its data.

    Parameters
    ----------
    card : ModelCard
        Of the model.
    simulated : bool
        Whether the test image is.
    """
    return "\n".join(_lines(card, simulated)) + "\n"


def cover(raw: NDArray[np.float32], maps: NDArray[np.float32]) -> bytes:
    """PNG of a test image, and beside it the image with the outline of the first map at one half.

    Parameters
    ----------
    raw : (C, Y, X) ndarray
        Intensities; the first three channels are shown, or the only one as grey.
    maps : (K, Y, X) ndarray
        Of the same image.
    """
    from imagecodecs import png_encode

    low, high = np.percentile(raw, (0.5, 99.5))
    shown = np.clip((raw - low) / max(high - low, 1e-6), 0, 1)[[0, 1, 2] if len(raw) > 2 else [0, 0, 0]]
    picture = np.moveaxis((255 * shown).astype(np.uint8), 0, 2)
    inside = np.pad(maps[0] >= 0.5, 1, mode="edge")
    core = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    outlined = picture.copy()
    outlined[inside[1:-1, 1:-1] & ~core] = _OUTLINE
    return bytes(png_encode(np.ascontiguousarray(np.hstack([picture, outlined]))))


def _lines(card: ModelCard, simulated: bool) -> Iterator[str]:
    smallest, largest = card.diameter_range
    yield f"# {card.title}"
    yield f"\n{card.description}\n"
    yield "## Use"
    yield (
        f"\nMade with [napari-cellseg]({SOURCE}), which adds it with `napari-cellseg models add FILE.zip` "
        f"and segments images with it, scaled and decoded as it should be. Objects should measure "
        f"{card.diameter:g} px across, {smallest:g} to {largest:g} px at most: scale images before, where "
        f"they do not.\n"
    )
    yield f"The maps are {', '.join(card.maps)}. This decoder makes objects of them:\n"
    yield "```json"
    yield card.model_dump_json(include={"decoder"}, indent=1)
    yield "```"
    yield f"\nObjects with a confidence of {card.confidence:g} and more are kept."
    if simulated:
        yield "\nThe test image, which the cover shows with the outline of the foreground, is simulated."
    yield "\n## Validation\n"
    if card.scores:
        yield "On images that it was not trained on.\n"
        yield "| data | metric | value | images | objects |\n|---|---|---|---|---|"
    else:
        yield "No scores are known. Score it on labelled images of yours:"
        yield "`napari-cellseg evaluate PREDICTION TRUTH`."
    for score in card.scores:
        yield f"| {score.data} | {score.metric} | {score.value:.3f} | {score.images:,} | {score.objects:,} |"
    yield from _data(card)
    if card.not_for:
        yield "\n## Not for\n"
        yield from (f"- {text}" for text in card.not_for)


def _data(card: ModelCard) -> Iterator[str]:
    if card.data:
        yield "\n## Data\n"
    for source in card.data:
        yield (
            f"- `{source.name}`: {source.title}. {source.train_images:,} training and "
            f"{source.validation_images:,} validation images. {source.licence}. {source.citation}"
        )
