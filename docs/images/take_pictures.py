"""Takes the pictures of the guide, on a real or a virtual screen of 1366 × 768:

xvfb-run -a -s "-screen 0 1366x768x24" python docs/images/take_pictures.py

Those of the Train dock need what trains the bundled models: the extra ``train``.
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
import tifffile
from napari.layers import Layer
from PIL import Image
from qtpy.QtWidgets import QApplication
from scipy import ndimage

from napari_cellseg import segment
from napari_cellseg.datasets.annotation import object_table
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.events import drain
from napari_cellseg.images.simulation import simulate_fluorescence, simulate_timelapse
from napari_cellseg.images.simulation.scene import SimulatedImage
from napari_cellseg.viewer import samples
from napari_cellseg.viewer.correct_session import CorrectSession
from napari_cellseg.viewer.dataset_adding import AddWhat
from napari_cellseg.viewer.feature_rows import write_rows
from napari_cellseg.viewer.jumping import jump_to_object
from napari_cellseg.viewer.plot_points import PlotKind
from napari_cellseg.viewer.recent_datasets import remember_dataset
from napari_cellseg.viewer.reviewing import doubting
from napari_cellseg.viewer.run_on import RunOn
from napari_cellseg.widgets.correct_dock import CorrectDock
from napari_cellseg.widgets.dataset_dock import DatasetDock
from napari_cellseg.widgets.evaluate_dock import EvaluateDock
from napari_cellseg.widgets.measure_dock import MeasureDock
from napari_cellseg.widgets.plot_canvas import Drag, PlotCanvas
from napari_cellseg.widgets.segment_dock import SegmentDock
from napari_cellseg.widgets.train_dock import TrainDock

HERE = Path(__file__).resolve().parent


def wait(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Let the viewer work until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the viewer did not get there")
        QApplication.processEvents()
        time.sleep(0.005)


def settle(seconds: float = 0.6) -> None:
    """Let the viewer draw."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end)


def take(viewer: napari.Viewer, name: str, *, still: bool = True, true_colours: bool = False) -> None:
    """Write a picture of the whole window, in 256 colours unless rare colours matter."""
    if still:
        settle()
    picture = Image.fromarray(np.asarray(viewer.screenshot(canvas_only=False, flash=False))[..., :3])
    if not true_colours:
        picture = picture.quantize(256, dither=Image.Dither.NONE)
    picture.save(HERE / f"{name}.png", optimize=True)


def main() -> None:
    """Take all pictures."""
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1366, 768)
    dock = SegmentDock(viewer)
    viewer.window.add_dock_widget(dock, name="CellSeg segment", area="right")
    panel = dock.panel
    data, keywords, _ = samples.fluorescence_sample()[0]
    viewer.add_image(data, **keywords)
    take(viewer, "segment_before")
    panel.button.click()
    wait(lambda: not panel.job.running)
    panel.table_button.click()
    viewer.layers[-1].selected_label = 3
    take(viewer, "segment_result")
    panel.model_form.confidence.box.setValue(0.96)
    take(viewer, "segment_confidence")
    for name, inner in viewer.window.dock_widgets.items():
        if "Features table" in name:
            inner.parent().hide()
    viewer.layers.clear()
    panel.model_form.confidence.box.setValue(0.5)
    data, keywords, _ = samples.timelapse_sample()[0]
    viewer.add_image(data, **keywords)
    viewer.dims.set_current_step(0, 1)
    panel.part_form.run_on.choose(RunOn.ALL)
    settle()
    panel.button.click()
    wait(lambda: panel.job.bar.maximum() > 1 and panel.job.bar.value() * 2 >= panel.job.bar.maximum())
    take(viewer, "segment_running", still=False)
    wait(lambda: not panel.job.running)
    many_images(viewer, dock, Path("plate 1"))
    evaluation(viewer)
    correction(viewer)
    measurement(viewer)
    datasets(viewer, Path("nuclei"))
    training(viewer, Path("dim nuclei"))
    viewer.close()
    unfinished(napari.Viewer())


def evaluation(viewer: napari.Viewer) -> None:
    """The Evaluate dock with the mistakes of the bundled model in a crowded field."""
    for inner in list(viewer.window.dock_widgets.values()):
        inner.parent().hide()
    viewer.layers.clear()
    sample = simulate_fluorescence(objects=160, seed=5)
    for data, keywords, kind in samples.simulated_layers(sample, "field"):
        viewer.add_layer(Layer.create(data, keywords, kind))
    found = segment(sample.image)
    placed = {name: getattr(viewer.layers["field"], name) for name in ("scale", "units", "axis_labels")}
    write_rows(viewer.add_labels(found.labels, name="field cells", **placed), found.features)
    viewer.reset_view()
    dock = EvaluateDock(viewer)
    viewer.window.add_dock_widget(dock, name="CellSeg evaluate", area="right")
    wait(dock.panel.button.isEnabled)
    dock.panel.button.click()
    wait(lambda: not dock.panel.job.running)
    settle()
    errors = dock.panel.result.errors
    errors.table.setCurrentIndex(errors.shown.index(0, 0))
    take(viewer, "evaluate_result", true_colours=True)


def measurement(viewer: napari.Viewer) -> None:
    """The Measure dock: cells coloured by a feature, and a lasso in a scatter with its cells in the image."""
    for inner in list(viewer.window.dock_widgets.values()):
        inner.parent().hide()
    viewer.layers.clear()
    sample = simulate_fluorescence(objects=160, seed=6)
    for data, keywords, kind in samples.simulated_layers(sample, "field"):
        viewer.add_layer(Layer.create(data, keywords, kind))
    viewer.layers["field truth"].name = "cells"
    viewer.reset_view()
    dock = MeasureDock(viewer)
    viewer.window.add_dock_widget(dock, name="CellSeg measure", area="right")
    wait(dock.panel.button.isEnabled)
    dock.panel.button.click()
    wait(lambda: not dock.panel.job.running)
    take(viewer, "measure_result")
    dock.tabs.setCurrentIndex(1)
    dock.colours.feature.choose("circularity")
    dock.colours.button.click()
    take(viewer, "measure_colour", true_colours=True)
    dock.colours.back.click()
    viewer.layers["cells"].contour = 1
    dock.tabs.setCurrentIndex(2)
    plots = dock.plots
    plots.kind.choose(PlotKind.SCATTER)
    plots.y.choose("circularity")
    settle()
    plots.drags[Drag.LASSO].click()
    lasso(plots.canvas, [(110, 0.8), (150, 0.78), (175, 0.86), (160, 0.925), (120, 0.915), (108, 0.86)])
    take(viewer, "measure_plot", true_colours=True)
    plots.canvas.box.finish()
    comparison(viewer, dock)
    growth(viewer, dock)


def comparison(viewer: napari.Viewer, dock: MeasureDock) -> None:
    """The tab Compare: three wells of each of two conditions, each a labels layer."""
    viewer.layers.clear()
    viewer.canvas.grid.enabled = True
    viewer.canvas.grid.shape = (2, 3)
    for k, well in enumerate("ABCDEF"):
        name, diameter = ("control", (14, 18)) if k < 3 else ("drug", (16, 21))
        labels = simulate_fluorescence((256, 256), objects=40, diameter=diameter, seed=k).labels
        layer = viewer.add_labels(labels, name=f"{name}_{well}", scale=(0.5, 0.5), units=("µm", "µm"))
        viewer.layers.selection.active = layer
        wait(lambda layer=layer: dock.panel.form.layer is layer and dock.panel.button.isEnabled())
        dock.panel.button.click()
        wait(lambda: not dock.panel.job.running)
    viewer.reset_view()
    panel = dock.compare
    dock.tabs.setCurrentIndex(3)
    panel.form.pattern.setText("{condition}_{well}")
    wait(lambda: panel.form.by.currentData() == "condition" and panel.button.isEnabled())
    panel.button.click()
    wait(lambda: not panel.job.running)
    settle()
    bar = dock.tabs.currentWidget().verticalScrollBar()
    bar.setValue(panel.result.y())
    take(viewer, "measure_compare")
    viewer.canvas.grid.enabled = False


def growth(viewer: napari.Viewer, dock: MeasureDock) -> None:
    """The tab Images: the frames of a culture that divides, its growth curve and doubling time."""
    viewer.layers.clear()
    film = simulate_timelapse(16, (256, 256), division=0.05, seed=2)
    placed = {"axis_labels": ("t", "y", "x"), "scale": (0.5, 0.5, 0.5), "units": ("h", "µm", "µm")}
    viewer.add_image(film.image, name="culture", **placed)
    layer = viewer.add_labels(film.labels, name="culture cells", **placed)
    viewer.dims.set_current_step(0, 15)
    viewer.reset_view()
    dock.tabs.setCurrentIndex(0)
    wait(lambda: dock.panel.form.layer is layer and dock.panel.button.isEnabled())
    dock.panel.button.click()
    wait(lambda: not dock.panel.job.running)
    dock.tabs.setCurrentIndex(4)
    dock.images.button.click()
    wait(lambda: not dock.images.job.running)
    take(viewer, "measure_images")


def datasets(viewer: napari.Viewer, folder: Path) -> None:
    """The Dataset dock: its images, one of them open, a region to add, the findings, an export."""
    for inner in list(viewer.window.dock_widgets.values()):
        inner.parent().hide()
    viewer.layers.clear()
    fill_dataset(Dataset.create(folder, ["nucleus", "debris"]))
    dock = DatasetDock(viewer)
    viewer.window.add_dock_widget(dock, name="CellSeg dataset", area="right")
    panel = dock.panel
    panel.open(folder)
    wait(lambda: panel.work.dataset is not None and not panel.job.running)
    panel.open_image("plate 1 B2")
    wait(lambda: not panel.job.running)
    panel.images.grid.select(["plate 1 B2"])
    wait(lambda: len(panel.model.thumbnails) >= 6)
    take(viewer, "dataset_images", true_colours=True)
    panel.tabs.setCurrentIndex(1)
    panel.adding.what.choose(AddWhat.REGION)
    panel.adding.draw.click()
    viewer.layers[-1].add_rectangles(
        np.array([[20, 30], [150, 200]]), face_color="transparent", edge_color="white"
    )
    wait(panel.adding.button.isEnabled)
    take(viewer, "dataset_add")
    panel.tabs.setCurrentIndex(3)
    panel.checks.button.click()
    wait(lambda: not panel.job.running)
    take(viewer, "dataset_check")
    panel.tabs.setCurrentIndex(4)
    panel.files.exports.format.choose("cellpose")
    panel.files.exports.button.click()
    wait(lambda: not panel.job.running)
    take(viewer, "dataset_export")


def fill_dataset(dataset: Dataset) -> None:
    """Simulated fields of two plates, reviewed to different degrees."""
    for number in range(9):
        field = simulate_fluorescence((192 + 32 * (number % 3), 256), objects=10 + 3 * number, seed=number)
        objects = np.unique(field.labels)[1:]
        reviewed = objects % 3 < number % 4
        status = np.where(reviewed, np.where(objects % 5, "accepted", "edited"), "predicted")
        classes = np.where(objects % 9, "nucleus", "debris")
        table = object_table(
            objects, classes=classes, status=status, confidence=0.8, origin="model:nuclei@3.0"
        )
        name = f"plate {1 + number // 6} {'ABC'[number % 3]}{1 + number}"
        group = f"plate {1 + number // 6}"
        dataset.add(field.image, field.labels, name=name, objects=table, group=group, pixel_size=0.5)


def training(viewer: napari.Viewer, folder: Path) -> None:
    """The Train dock: before, during and after a training of the bundled model; models; what comes next."""
    for inner in list(viewer.window.dock_widgets.values()):
        inner.parent().hide()
    viewer.layers.clear()
    dataset = Dataset.create(folder, ["nucleus"])
    for number in range(11):
        split = "train" if number < 6 else "val" if number < 7 else "test"
        dim = dim_nuclei(number)
        name = f"well B{number + 1}"
        dataset.add(dim.image, dim.labels, name=name, split=split, classes="nucleus", pixel_size=0.5)
    remember_dataset(folder)
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="CellSeg train", area="right")
    panel, far = dock.panel, 1200
    panel.form.point.choose("cells:nuclei")
    wait(panel.button.isEnabled)
    panel.preflight.stop()
    take(viewer, "train_form")
    for name, value in {"epochs": 5, "steps": 8, "batch": 2, "edge": 96}.items():
        panel.form.recipe.controls[name].setValue(value)
    wait(panel.button.isEnabled)
    panel.button.click()
    wait(lambda: len(panel.session.watch.epochs()) >= 3, far)
    panel.previews.buttons[0].click()
    take(viewer, "train_running", true_colours=True)
    wait(lambda: panel.gate.result is not None and not panel.work.running, far)
    take(viewer, "train_gate", true_colours=True)
    panel.gate.use.click()
    wait(lambda: not panel.work.running, far)
    dock.parent().raise_()
    dock.tabs.setCurrentIndex(1)
    settle()
    dock.models.select("nuclei", "nuclei-mine")
    take(viewer, "train_models")
    ranked(viewer, dock, Path("plate 2"))


def ranked(viewer: napari.Viewer, dock: TrainDock, folder: Path) -> None:
    """The tab of the images to correct next, the first of them open."""
    folder.mkdir()
    for number in range(9):
        tifffile.imwrite(folder / f"well C{number + 1}.tif", dim_nuclei(50 + number, number / 10).image)
    dock.tabs.setCurrentIndex(2)
    dock.next.use_paths([folder])
    dock.next.button.click()
    wait(lambda: dock.next.list.count() == 9, 1200)
    dock.next.list.setCurrentRow(0)
    dock.next.open.click()
    take(viewer, "train_next")


def dim_nuclei(seed: int, noise: float = 0.6) -> SimulatedImage:
    """Nuclei that touch, in little light: more than the bundled model finds by itself."""
    return simulate_fluorescence(
        (160, 192), objects=16, touching=0.9, irregularity=0.25, texture=0.9, background=0.5, blur=2.5,
        noise=noise, seed=seed,
    )  # fmt: skip


def lasso(canvas: PlotCanvas, corners: list[tuple[float, float]]) -> None:
    """Draw a lasso, select what is in it, and leave it there to be seen."""
    canvas.box.draw(corners)
    canvas.box.finish()
    canvas.box.draw(corners)


def correction(viewer: napari.Viewer) -> None:
    """The Correct dock: the keys, candidates, a split before and after, the queue, the checks."""
    for inner in list(viewer.window.dock_widgets.values()):
        inner.parent().hide()
    viewer.layers.clear()
    data, keywords, _ = samples.simulated_layers(simulate_fluorescence(objects=160, seed=5), "field")[0]
    viewer.add_image(data, **keywords)
    segmenting = SegmentDock(viewer)
    viewer.window.add_dock_widget(segmenting, name="CellSeg segment", area="right")
    wait(segmenting.panel.button.isEnabled)
    segmenting.panel.button.click()
    wait(lambda: not segmenting.panel.job.running)
    segmenting.panel.model_form.confidence.box.setValue(0.97)
    settle()
    dock = CorrectDock(viewer)
    viewer.window.add_dock_widget(dock, name="CellSeg correct", area="right")
    segmenting.parent().hide()
    panel = dock.panel
    wait(lambda: panel.session is not None)
    panel.act("PROMOTE")
    take(viewer, "correct_candidates", true_colours=True)
    panel.act("SELECT")
    panel.act("help")
    take(viewer, "correct_keys")
    panel.act("help")
    split(viewer, dock)
    panel.act("accept")
    wait(lambda: panel.session.review is not None and not panel.job.running)
    for _ in range(3):
        panel.act("accept")
    panel.review.colour.click()
    take(viewer, "correct_review", true_colours=True)
    panel.review.colour.click()
    panel.tabs.setCurrentIndex(2)
    panel.checks.check.click()
    wait(lambda: not panel.job.running)
    panel.checks.list.setCurrentRow(0)
    take(viewer, "correct_checks")


def unfinished(viewer: napari.Viewer) -> None:
    """The offer of unfinished work in the Segment dock, after the Correct dock was closed in a review."""
    viewer.window._qt_window.resize(1366, 768)
    sample = simulate_fluorescence(objects=160, seed=7)
    (data, keywords, _), (truth, _, _) = samples.simulated_layers(sample, "field")
    viewer.add_image(data, **keywords)
    placed = {name: getattr(viewer.layers["field"], name) for name in ("scale", "units", "axis_labels")}
    layer = viewer.add_labels(truth, name="field cells", **placed)
    session = CorrectSession(viewer, layer, viewer.layers["field"], None)
    review = session.begin_review(drain(doubting(session.correction)))
    review.next()
    for _ in range(12):
        review.accept()
    session.close()
    viewer.layers.remove(layer)
    viewer.reset_view()
    viewer.window.add_plugin_dock_widget("napari-cellseg", "CellSeg segment")
    take(viewer, "correct_resume")
    viewer.close()


def split(viewer: napari.Viewer, dock: CorrectDock) -> None:
    """Two touching nuclei as one object, and what a line makes of them."""
    session = dock.panel.session
    do = session.correction
    layer, index = session.layer, do.editor.index
    first, second = touching(layer.data)[0]
    line = border(layer.data, first, second)
    do.merge([first, second])
    do.select(first)
    jump_to_object(viewer, layer, index, first)
    dock.panel.act("LINE")
    take(viewer, "correct_split_before", true_colours=True)
    do.split_by_line(line)
    take(viewer, "correct_split_after", true_colours=True)


def border(labels: np.ndarray, first: int, second: int) -> np.ndarray:
    """A line along the common border of two objects, and a bit beyond."""
    near = ndimage.binary_dilation(labels == first, iterations=2)
    points = np.argwhere(near & ndimage.binary_dilation(labels == second, iterations=2)).astype(float)
    middle = points.mean(axis=0)
    along = np.linalg.svd(points - middle, full_matrices=False)[2][0]
    reach = np.abs((points - middle) @ along).max() + 3
    return np.array([middle - reach * along, middle + reach * along])


def touching(labels: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of labels side by side, those with the longest common border first."""
    left, right = labels[:, :-1].ravel(), labels[:, 1:].ravel()
    meet = (left > 0) & (right > 0) & (left != right)
    pairs, counts = np.unique(np.sort(np.stack([left[meet], right[meet]], 1)), axis=0, return_counts=True)
    return [(int(a), int(b)) for a, b in pairs[np.argsort(-counts)]]


def many_images(viewer: napari.Viewer, dock: SegmentDock, folder: Path) -> None:
    """The second tab, with a file that is broken."""
    folder.mkdir()
    for i in range(6):
        tifffile.imwrite(folder / f"field_{i + 1}.tif", simulate_fluorescence((256, 256), seed=i).image)
    (folder / "field_3.tif").write_bytes(b"II*\0broken")
    dock.tabs.setCurrentIndex(1)
    dock.many.use_paths([folder])
    dock.many.button.click()
    wait(lambda: not dock.many.job.running)
    take(viewer, "segment_many")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ["NAPARI_CELLSEG_HOME"] = home
        os.chdir(home)
        main()
