"""What a network keeps of a picture while it learns, and how long things take."""

import pytest

pytest.importorskip("torch")

import torch

from napari_cellseg.training.measuring import device_words, peak_bytes, saved_bytes, timed


def test_what_is_kept_grows_with_the_picture_and_leaves_out_weights() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Sigmoid())
    small, large = (saved_bytes(network, torch.rand(1, 3, edge, edge)) for edge in (16, 32))
    assert small == 4 * 16 * 16 * (3 + 8)  # the picture, for the convolution; what the sigmoid gives
    assert large == 4 * small


def test_work_is_timed_and_its_device_named() -> None:
    done: list[int] = []
    assert timed(lambda: done.append(1), "cpu") >= 0
    assert done == [1]
    assert device_words("cpu").startswith("processor, ")
    assert peak_bytes("cpu") >= 0
