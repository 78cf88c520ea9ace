"""Changes to ONNX files that an export wrote: half the precision, a card inside."""

from pathlib import Path

from napari_cellseg.models.card import ModelCard, card_text
from napari_cellseg.models.onnx import CARD_PROPERTY


def halve_precision(path: Path) -> None:
    """Let a network compute with 16-bit floats; its input and outputs stay 32-bit ones.

    Parameters
    ----------
    path : Path
        An ONNX file, which is changed.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    halved = OnnxModel(convert_float_to_float16(onnx.load(path), keep_io_types=True))
    halved.topological_sort()
    onnx.save(halved.model, path)


def embed_card(path: Path, card: ModelCard) -> None:
    """Put a card into an ONNX file's metadata, in place of the one that is there.

    Parameters
    ----------
    path : Path
        An ONNX file, which is changed.
    card : ModelCard
        Its card; the hash in it is not looked at, because it cannot be that of the file around it.
    """
    import onnx

    network = onnx.load(path)
    others = {entry.key: entry.value for entry in network.metadata_props if entry.key != CARD_PROPERTY}
    onnx.helper.set_model_props(network, {**others, CARD_PROPERTY: card_text(card)})
    onnx.save(network, path)
