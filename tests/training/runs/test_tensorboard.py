"""Epochs as events of TensorBoard."""

from pathlib import Path

import pytest

from napari_cellseg.training.runs.run import Epoch
from napari_cellseg.training.runs.tensorboard import ScalarEvents, scalars

EPOCH = Epoch(3, 9, {"total": 0.5}, {"AP50": 0.25, "val_total": 0.75}, rate=0.1, seconds=2.0)


def test_losses_and_metrics_are_grouped_and_unknown_values_left_out() -> None:
    assert scalars(EPOCH) == {
        "loss/total": 0.5,
        "loss/val_total": 0.75,
        "metric/AP50": 0.25,
        "rate": 0.1,
        "seconds": 2.0,
    }


def test_each_network_has_a_file_of_events_that_hold_the_scalars(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    events = ScalarEvents(tmp_path / "tensorboard")
    assert not (tmp_path / "tensorboard").exists()
    for network in ("one", "two"):
        events.add(Epoch(1, 2, {"total": 0.5}, network=network))
        events.add(Epoch(2, 2, {"total": 0.25}, network=network))
    for network in ("one", "two"):
        (path,) = (tmp_path / "tensorboard" / network).iterdir()
        found = [
            (event.step, value.tag, value.simple_value)
            for event in map(Event.FromString, _records(path.read_bytes()))
            for value in event.summary.value
        ]
        assert (1, "loss/total", 0.5) in found
        assert (2, "loss/total", 0.25) in found


def _records(content: bytes) -> list[bytes]:
    """Records of a file of TensorFlow: length (8 bytes), checksum (4), record, checksum (4)."""
    records = []
    while content:
        length = int.from_bytes(content[:8], "little")
        records.append(content[12 : 12 + length])
        content = content[16 + length :]
    return records
