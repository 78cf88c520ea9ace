"""Annotations and samples that break formats: a fixed list, strategies, and how two of them are compared."""

from functools import cache

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_cellseg.datasets.annotation import Annotation, ObjectMask, object_table
from napari_cellseg.datasets.sample import Sample

CLASSES = ("cell", "dead cell", "Zelle µ, \"alt\": 'x'")
"""Classes of every annotation here; a text with quotes, commas, colons and unicode among them."""

NAMES = (
    "plain",
    "with spaces in it",
    "Zellen µm 漢字 🔬",
    "dots.in.the.name",
    "comma, semicolon; 'quotes'",
    "#100% [brackets] {braces}",
    "decomposed é",
    "0001",
    "-dash",
    "1e5",
    "null",
)
"""Names of samples; all of them are safe as they are, apart from being composed (NFC)."""


def painted(mask, shape):
    """An object's whole mask in its plane, (Y, X) bool."""
    plane = np.zeros(shape, bool)
    plane[mask.window] = mask.pixels
    return plane


def drawn(rows):
    """Labels of a drawing: a digit per pixel, ``.`` for background."""
    return np.array([[0 if c == "." else int(c) for c in row] for row in rows], np.int32)


def of_labels(labels, classes="cell"):
    index = np.unique(labels[labels > 0])
    return Annotation.from_labels(labels, object_table(index, classes=classes))


def of_planes(planes, index=None, classes="cell"):
    """Annotation of whole masks, each a (Y, X) bool plane."""
    index = list(range(1, len(planes) + 1)) if index is None else index
    masks = [ObjectMask(i, 0, 0, np.asarray(plane, bool)) for i, plane in zip(index, planes, strict=True)]
    shape = masks[0].pixels.shape
    return Annotation.from_masks(shape, masks, object_table(index, classes=classes))


def _square(y0, x0, y1, x1, shape=(20, 24)):
    plane = np.zeros(shape, bool)
    plane[y0:y1, x0:x1] = True
    return plane


def _ring(shape=(20, 24), thickness=1):
    plane = _square(3, 3, 15, 17, shape)
    plane[3 + thickness : 15 - thickness, 3 + thickness : 17 - thickness] = False
    return plane


def _nested_rings():
    y, x = np.mgrid[:31, :33]
    r = np.hypot(y - 15, x - 16)
    return (r < 4) | ((r > 6) & (r < 9)) | ((r > 11) & (r < 15))


def _noise(seed, share, shape=(24, 31)):
    return np.random.default_rng(seed).random(shape) < share


def _spiral(n=25):
    """A path of one pixel's width, with a gap of one pixel between its turns."""
    plane = np.zeros((n + 4, n + 4), bool)
    plane[:2], plane[-2:], plane[:, :2], plane[:, -2:] = True, True, True, True
    plane[1], plane[-2], plane[:, 1], plane[:, -2] = False, False, False, False
    y, x, dy, dx = 2, 2, 0, 1
    for _ in range(n * n):
        plane[y, x] = True
        if plane[y + 2 * dy, x + 2 * dx]:
            dy, dx = dx, -dy
        if plane[y + dy, x + dx] or plane[y + 2 * dy, x + 2 * dx]:
            break
        y, x = y + dy, x + dx
    return plane[2:-2, 2:-2].copy()


@cache
def nasty_annotations():
    """Fixed annotations by what is nasty about them, small enough to be written one pixel at a time."""
    nothing = np.zeros((7, 5), np.int32)
    touching = np.kron(np.arange(1, 13, dtype=np.int32).reshape(3, 4), np.ones((4, 3), np.int32))
    checker = np.indices((8, 9)).sum(0) % 2 == 0
    pieces = _square(1, 1, 4, 5) | _square(10, 15, 19, 23) | _square(6, 0, 7, 1)
    cells = _square(2, 2, 14, 12)
    gaps = drawn(["1..2", "1.22", "..3."])
    diagonal = np.eye(6, 9, dtype=bool)
    return {
        "no objects": Annotation.from_labels(nothing),
        "one pixel": of_labels(drawn(["...", ".1.", "..."])),
        "one pixel image": of_labels(np.ones((1, 1), np.int32)),
        "one row": of_labels(drawn(["11.22..3"])),
        "one column": of_labels(drawn(["1", "1", ".", "2"])),
        "everything": of_labels(np.full((6, 9), 4, np.int32)),
        "corners": of_labels(drawn(["1...2", ".....", "3...4"])),
        "border": of_labels(drawn(["1111", "1..1", "1111"])),
        "touching": of_labels(touching),
        "one-pixel cells that touch": of_labels(np.arange(1, 36, dtype=np.int32).reshape(5, 7)),
        "hole": of_planes([_ring(thickness=3)]),
        "thin ring": of_planes([_ring()]),
        "object in a hole": of_planes([_ring(thickness=2), _square(8, 8, 11, 11)]),
        "nested rings": of_planes([_nested_rings()]),
        "holes of one pixel": of_planes([~np.isin(np.arange(20 * 24).reshape(20, 24) % 5, (2,))]),
        "hole open at a corner": of_labels(drawn([".....", ".111.", ".1.1.", ".11.1", "....."])),
        "several pieces": of_planes([pieces]),
        "pieces and holes": of_planes([pieces | _ring(thickness=2)]),
        "corner to corner": of_planes([diagonal]),
        "anti-diagonal": of_planes([diagonal[:, ::-1].copy()]),
        "checkerboard": of_planes([checker]),
        "two checkerboards": of_planes([checker, ~checker]),
        "line": of_labels(drawn(["......", ".1111.", "......", "2.....", "2.....", "2....."])),
        "comb": of_labels(drawn(["1.1.1.1", "1.1.1.1", "1111111"])),
        "spiral": of_planes([_spiral()]),
        "bow tie": of_labels(drawn(["11...11", ".11.11.", "..111..", "...1...", "..111..", ".11.11."])),
        "noise": of_planes([_noise(0, 0.5)]),
        "sparse noise": of_planes([_noise(1, 0.08)]),
        "dense noise": of_planes([_noise(2, 0.9)]),
        "overlap": of_planes([cells, _square(8, 6, 20, 20), _square(0, 0, 9, 9)]),
        "overlap with holes": of_planes([_ring(thickness=3), _square(0, 0, 8, 8), _noise(3, 0.3, (20, 24))]),
        "identical": of_planes([cells, cells, cells]),
        "hidden whole": of_planes([cells, cells, _square(3, 3, 5, 5), _square(3, 3, 4, 4)]),
        "gaps in the labels": Annotation.from_labels(
            np.choose(gaps, [0, 7, 2**31 - 1, 70_000]).astype("int32")
        ),
        "several classes": of_labels(touching, [CLASSES[i % 3] for i in range(12)]),
        "wide": of_labels(np.repeat(np.arange(300, dtype=np.int32), 7)[None, :] * np.ones((2, 1), np.int32)),
        "uneven size": of_planes([_noise(4, 0.6, (37, 113))]),
    }


def many_objects(count=70_000):
    """More objects of one pixel than 16 bits can number, on a plane of 300 rows."""
    columns = -(-count // 150) * 2
    labels = np.zeros((300, columns), np.int32)
    labels[::2, ::2] = np.arange(1, 150 * (columns // 2) + 1).reshape(150, columns // 2)
    labels[labels > count] = 0
    return Annotation.from_labels(labels)


def pixels_of(shape, dtype="uint16", channels=None, seed=0):
    """Pixels that use all of a dtype's range, (Y, X) or (Y, X, C)."""
    size = shape if channels is None else (*shape, channels)
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 1000, size).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, size, dtype=dtype, endpoint=True)


def sample_of(name, annotation, *, dtype="uint16", channels=None, **more):
    """A sample with made-up pixels."""
    pixels = pixels_of(annotation.shape, dtype, channels)
    return Sample(name, annotation, lambda: pixels, **more)


def nasty_samples():
    """A sample of each of `nasty_annotations`, under all `NAMES` and in several depths."""
    kinds = (("uint16", None), ("uint8", None), ("uint8", 3), ("float32", None), ("uint16", 2))
    result = []
    for k, (what, annotation) in enumerate(nasty_annotations().items()):
        name = NAMES[k] if k < len(NAMES) else what
        dtype, channels = kinds[k % len(kinds)]
        result.append(sample_of(name, annotation, dtype=dtype, channels=channels))
    return result


names = st.one_of(
    st.sampled_from(NAMES),
    st.text(
        st.characters(exclude_categories=("Cs", "Cc"), exclude_characters='<>:"/\\|?*'),
        min_size=1,
        max_size=20,
    )
    .map(lambda text: text.strip(" ."))
    .filter(bool),
)
"""Names of samples, most of which are safe as they are; `safe_name` makes all of them safe."""


@st.composite
def label_images(draw, max_side=14, max_label=6):
    """(Y, X) int32 label images: noise, blocks and blobs; labels with gaps, pieces, holes and corners."""
    shape = draw(st.tuples(st.integers(1, max_side), st.integers(1, max_side)))
    coarse = draw(st.integers(1, 4))
    small = tuple(-(-n // coarse) for n in shape)
    labels = draw(arrays(np.int32, small, elements=st.integers(0, max_label), fill=st.integers(0, 2)))
    labels = np.kron(labels, np.ones((coarse, coarse), np.int32))[: shape[0], : shape[1]]
    scale = draw(st.sampled_from([1, 1, 3, 100_000]))
    return np.ascontiguousarray(labels * scale, np.int32)


@st.composite
def masks(draw, max_side=14):
    """(Y, X) bool masks with at least one pixel: noise, blocks, and unions of boxes less a box."""
    shape = draw(st.tuples(st.integers(1, max_side), st.integers(1, max_side)))
    if draw(st.booleans()):
        mask = draw(arrays(bool, shape))
    else:
        mask = np.zeros(shape, bool)
        for value in draw(st.lists(st.booleans(), min_size=1, max_size=5)):
            y, x = draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))
            mask[y : y + draw(st.integers(1, 9)), x : x + draw(st.integers(1, 9))] = value
    if not mask.any():
        mask[draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))] = True
    return mask


@st.composite
def annotations(draw, max_side=14, overlaps=True, classes=CLASSES):
    """Annotations of any kind; with `overlaps`, some have objects that overlap, are identical or hidden."""
    if overlaps and draw(st.booleans()):
        shape = draw(st.tuples(st.integers(1, max_side), st.integers(1, max_side)))
        index = draw(st.lists(st.integers(1, 2**31 - 1), max_size=5, unique=True))
        cut = st.tuples(st.integers(-3, shape[0]), st.integers(-3, shape[1]), masks(max_side))
        found = [ObjectMask(i, *draw(cut)) for i in index]
        if len(found) > 1 and draw(st.booleans()):
            found[0] = ObjectMask(found[0].index, found[1].top, found[1].left, found[1].pixels)
        plain = Annotation.from_masks(shape, found)
    else:
        plain = Annotation.from_labels(draw(label_images(max_side)))
    count = len(plain)
    table = plain.objects.copy()
    table["class"] = draw(st.lists(st.sampled_from(classes), min_size=count, max_size=count))
    table["class"] = table["class"].astype("str")
    return Annotation(plain.labels, table, plain.covered)


@st.composite
def samples(draw, max_side=14, overlaps=True, classes=CLASSES):
    """One sample of any kind, with pixels of any depth."""
    dtype, channels = draw(
        st.sampled_from([("uint8", None), ("uint8", 3), ("uint16", None), ("uint16", 2), ("float32", None)])
    )
    annotation = draw(annotations(max_side, overlaps, classes))
    return sample_of(draw(names), annotation, dtype=dtype, channels=channels)


def described(annotation, ids=True):
    """All that an annotation says about its objects, as plain values: label, class and whole mask each."""
    classes = dict(
        zip(annotation.objects["index"].tolist(), annotation.objects["class"].tolist(), strict=True)
    )
    rows = []
    for mask in annotation.masks():
        mask = mask.trimmed()
        label = mask.index if ids else 0
        rows.append((label, classes[mask.index], *mask.box, np.packbits(mask.pixels).tobytes()))
    return sorted(rows)


def assert_same_objects(found, expected, *, ids=True):
    """The same objects with the same classes and whole masks; with `ids` the same labels, too."""
    assert found.shape == expected.shape
    assert described(found, ids) == described(expected, ids)
    if ids:
        np.testing.assert_array_equal(found.labels, expected.labels)
    else:
        np.testing.assert_array_equal(found.labels > 0, expected.labels > 0)
