"""Objects in three dimensions: surface, sphericity, topology, and the ellipsoid of their moments."""

from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from skimage.measure import marching_cubes, mesh_surface_area

from napari_cellseg.features.feature import Columns, Feature, Quantity
from napari_cellseg.features.objects import Objects


def _feature(
    name: str,
    quantity: Quantity,
    definition: str,
    formula: str,
    source: str = "",
    *,
    default: bool = True,
    note: str = "",
) -> Feature:
    return Feature(
        name=name,
        group="volume",
        quantity=quantity,
        dtype="int64" if quantity == "count" else "float64",
        dims=(3,),
        definition=definition,
        formula=formula,
        source=source or f"scikit-image `{name}`",
        default=default,
        note=note,
    )


_INERTIA = tuple(
    _feature(
        f"inertia_tensor-{i}-{j}",
        "area",
        f"Entry {i}, {j} of the inertia tensor, per volume.",
        f"Σ (|d|² − d_{i}²) / N, d = x − c" if i == j else f"−Σ d_{i} d_{j} / N, d = x − c",
        "scikit-image `inertia_tensor`",
        default=False,
    )
    for i in range(3)
    for j in range(3)
)
_EIGENVALUES = tuple(
    _feature(
        f"inertia_tensor_eigvals-{i}",
        "area",
        f"Eigenvalue {i} of the inertia tensor, from the largest.",
        f"λ_{i}(inertia tensor)",
        "scikit-image `inertia_tensor_eigvals`",
        default=False,
    )
    for i in range(3)
)

FEATURES = (
    _feature(
        "surface_area",
        "area",
        "Area of the triangle mesh around the object.",
        "Σ areas of marching cubes' triangles, level 0.5",
        "scikit-image `marching_cubes` and `mesh_surface_area`; Lewiner et al. 2003",
        note="Closed where the image cuts the object. Its steps make the mesh of a smooth object too large, "
        "that of a sphere by about 9 %.",
    ),
    _feature(
        "sphericity",
        "ratio",
        "Surface of the sphere of the object's volume over the object's surface.",
        "π^(1/3) (6 V)^(2/3) / surface_area",
        "Wadell 1935",
        note="About 0.92 for a sphere of voxels, because of the mesh's steps; above 1 for very few voxels, "
        "whose corners the mesh cuts off.",
    ),
    _feature(
        "axis_major_length",
        "length",
        "Longest axis of the ellipsoid with the same second moments.",
        "√(10 (λ₀ + λ₁ − λ₂))",
    ),
    _feature(
        "axis_middle_length",
        "length",
        "Middle axis of the ellipsoid with the same second moments.",
        "√(10 (λ₀ − λ₁ + λ₂))",
        "As scikit-image's `axis_major_length`",
    ),
    _feature(
        "axis_minor_length",
        "length",
        "Shortest axis of the ellipsoid with the same second moments.",
        "√(10 (−λ₀ + λ₁ + λ₂))",
    ),
    _feature(
        "euler_number",
        "count",
        "Pieces minus tunnels plus cavities.",
        "χ = pieces − tunnels + cavities, 26 neighbours",
        "scikit-image `euler_number`; Ohser & Schladitz 2009",
    ),
    *_EIGENVALUES,
    *_INERTIA,
)


def volume(objects: Objects) -> Columns:
    """Measure the volume group, of objects in three dimensions; columns as in `FEATURES`."""
    spacing = np.array(objects.spacing)
    cubes = np.zeros((len(objects), 256), np.int64)
    sums = np.zeros((len(objects), 9), np.int64)
    _count_cubes(objects.labels, objects.ids, np.ascontiguousarray(objects.boxes), cubes, sums)
    surface = cubes @ _mesh_areas(objects.spacing)
    tensor = _inertia_tensors(sums, objects.areas, spacing)
    eigenvalues = np.maximum(np.linalg.eigvalsh(tensor)[:, ::-1], 0)
    axes = np.sqrt(10 * np.maximum(eigenvalues.sum(axis=1, keepdims=True) - 2 * eigenvalues, 0))
    size = objects.areas * spacing.prod()
    columns: Columns = {
        "surface_area": surface,
        "sphericity": np.cbrt(np.pi) * np.cbrt(6 * size) ** 2 / surface,
        "axis_major_length": axes[:, 2],
        "axis_middle_length": axes[:, 1],
        "axis_minor_length": axes[:, 0],
        "euler_number": cubes @ _euler_eighths() // 8,
    }
    columns |= {f"inertia_tensor_eigvals-{i}": eigenvalues[:, i] for i in range(3)}
    return columns | {f"inertia_tensor-{i}-{j}": tensor[:, i, j] for i in range(3) for j in range(3)}


def _inertia_tensors(
    sums: NDArray[np.int64], areas: NDArray[np.int64], spacing: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Inertia tensors (N, 3, 3), per volume, from sums of z, y, x, zz, yy, xx, zy, zx, yx."""
    means = sums / np.maximum(areas, 1)[:, None]
    second = np.empty((len(sums), 3, 3))
    for column, (i, j) in enumerate([(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)], start=3):
        second[:, i, j] = (means[:, column] - means[:, i] * means[:, j]) * spacing[i] * spacing[j]
        second[:, j, i] = second[:, i, j]
    trace: NDArray[np.float64] = np.trace(second, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    return trace - second


@lru_cache(maxsize=16)
def _mesh_areas(spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """Area of the mesh inside of a cube of 2 × 2 × 2 voxels, for each of its 256 fillings.

    Marching cubes looks at one such cube at a time, so that the mesh of an object is the sum of these.
    """
    areas = np.zeros(256)
    for filling in range(1, 255):
        corners = (filling >> np.arange(8) & 1).reshape(2, 2, 2)
        vertices, faces, _, _ = marching_cubes(corners.astype(np.float32), 0.5)
        areas[filling] = mesh_surface_area(vertices.astype(np.float64) * spacing, faces)
    return areas


@lru_cache(maxsize=1)
def _euler_eighths() -> NDArray[np.int64]:
    """Eight times what a cube of 2 × 2 × 2 voxels adds to the Euler number, for each of its 256 fillings.

    The object is the union of its closed voxels: corners − edges + sides − voxels, of which the middle of
    the cube is one corner, and has half of 6 edges, a quarter of 12 sides, an eighth of 8 voxels.
    """
    eighths = np.zeros(256, np.int64)
    for filling in range(256):
        cube = (filling >> np.arange(8) & 1).reshape(2, 2, 2)
        edges = sum(int(cube.take(k, axis).any()) for axis in range(3) for k in range(2))
        sides = sum(int(cube.any(axis=axis).sum()) for axis in range(3))
        eighths[filling] = 8 * cube.any() - 4 * edges + 2 * sides - cube.sum()
    return eighths


@njit(cache=True, nogil=True)
def _count_cubes(labels: Any, ids: Any, boxes: Any, cubes: Any, sums: Any) -> None:
    """Count the fillings of all 2 × 2 × 2 cubes that meet an object; sum its coordinates and products."""
    for i in range(len(ids)):
        z0, y0, x0 = boxes[i, 0], boxes[i, 1], boxes[i, 2]
        for z in range(z0 - 1, boxes[i, 3]):
            for y in range(y0 - 1, boxes[i, 4]):
                filling = 0
                for x in range(x0 - 1, boxes[i, 5]):
                    filling >>= 1
                    filling &= 0x55
                    for corner in range(4):
                        at_z, at_y = z + (corner >> 1), y + (corner & 1)
                        if at_z < z0 or at_z >= boxes[i, 3] or at_y < y0 or at_y >= boxes[i, 4]:
                            continue
                        if x + 1 < boxes[i, 5] and labels[at_z, at_y, x + 1] == ids[i]:
                            filling |= 2 << (2 * corner)
                    cubes[i, filling] += 1
                    if filling & 1 and z >= z0 and y >= y0:
                        a, b, c = z - z0, y - y0, x - x0
                        sums[i, 0] += a
                        sums[i, 1] += b
                        sums[i, 2] += c
                        sums[i, 3] += a * a
                        sums[i, 4] += b * b
                        sums[i, 5] += c * c
                        sums[i, 6] += a * b
                        sums[i, 7] += a * c
                        sums[i, 8] += b * c
