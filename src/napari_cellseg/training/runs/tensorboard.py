"""Epochs as events that TensorBoard shows."""

import time
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Any

from napari_cellseg.outputs import make_folder
from napari_cellseg.training.runs.run import Epoch


class ScalarEvents:
    """Writes losses, metrics and learning rate of every epoch; nothing where tensorboardX is not installed.

    Each network has a folder of its own, so that their curves lie over one another; epochs that are done
    again after a cancel replace those before.

    Parameters
    ----------
    folder : Path
        Made at the first epoch.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, Any] = {}
        self._is_possible = find_spec("tensorboardX") is not None

    def add(self, epoch: Epoch) -> None:
        """Write the scalars of an epoch."""
        if not self._is_possible:
            return
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars(epoch).items()]
        writer = self._writer(epoch)
        writer.write_event(Event(wall_time=time.time(), step=epoch.number, summary=Summary(value=values)))
        writer.flush()

    def _writer(self, epoch: Epoch) -> Any:
        """Writes at once: the queue of tensorboardX's ``SummaryWriter`` dies with the process."""
        if epoch.network not in self._writers:
            from tensorboardX.event_file_writer import EventsWriter
            from tensorboardX.proto.event_pb2 import Event, SessionLog

            writer = EventsWriter(str(make_folder(self._folder / epoch.network) / "events"))
            start = SessionLog(status=SessionLog.START)
            writer.write_event(Event(wall_time=time.time(), step=epoch.number, session_log=start))
            self._writers[epoch.network] = writer
        return self._writers[epoch.network]


def scalars(epoch: Epoch) -> dict[str, float]:
    """Finite values of an epoch by the names that TensorBoard groups: ``loss/total``, ``metric/AP50``, …"""
    values = {f"loss/{name}": value for name, value in epoch.losses.items()}
    for name, value in epoch.metrics.items():
        is_loss = name.startswith("val_")
        values[f"loss/{name}" if is_loss else f"metric/{name}"] = value
    values |= {"score": epoch.score, "rate": epoch.rate, "seconds": epoch.seconds}
    return {name: value for name, value in values.items() if isfinite(value)}
