"""Simulated microscopy with exact truth: sample data for users, and images that tests can trust."""

from napari_cellseg.images.simulation.brightfield import simulate_brightfield
from napari_cellseg.images.simulation.degradation import DegradedImage, degraded_images
from napari_cellseg.images.simulation.fluorescence import simulate_fluorescence
from napari_cellseg.images.simulation.scene import SimulatedImage
from napari_cellseg.images.simulation.timelapse import simulate_timelapse
from napari_cellseg.images.simulation.zstack import simulate_zstack

__all__ = [
    "DegradedImage",
    "SimulatedImage",
    "degraded_images",
    "simulate_brightfield",
    "simulate_fluorescence",
    "simulate_timelapse",
    "simulate_zstack",
]
