"""COCO and its kin: run lengths or polygons, laid out and worded as COCO, LIVECell and CVAT do.

Source: T.-Y. Lin et al., Microsoft COCO: Common Objects in Context (2014), and cocodataset.org on its format;
C. Edlund et al., LIVECell (2021); CVAT's and Datumaro's documentation of COCO.
"""

from functools import partial

from napari_cellseg.datasets.formats.coco_layout import is_coco
from napari_cellseg.datasets.formats.coco_reading import read_coco
from napari_cellseg.datasets.formats.coco_segmentations import (
    counts_segmentation,
    polygon_segmentation,
    text_segmentation,
)
from napari_cellseg.datasets.formats.coco_writing import Flavour, write_coco
from napari_cellseg.datasets.formats.format import Format

COCO = Flavour(encode=text_segmentation, encode_crowd=text_segmentation)
COCO_POLYGONS = Flavour(encode=polygon_segmentation, encode_crowd=counts_segmentation)
LIVECELL = Flavour(
    annotations="livecell_coco_{split}.json",
    images=dict.fromkeys(("train", "val"), "livecell_train_val_images") | {"test": "livecell_test_images"},
    encode=polygon_segmentation,
    encode_crowd=counts_segmentation,
    supercategory="cell",
)
CVAT = Flavour(
    encode=counts_segmentation,
    encode_crowd=counts_segmentation,
    image_keys={"license": 0, "flickr_url": "", "coco_url": "", "date_captured": 0},
    attributes={"occluded": False},
)

FORMATS = (
    Format(
        name="coco",
        title="COCO, run lengths",
        description=(
            "JSON with compressed run lengths, for pycocotools, Detectron2 and MMDetection; exact, with "
            "overlaps, status, confidence and origin. What was not reviewed is a crowd area."
        ),
        matches=is_coco,
        read=read_coco,
        write=partial(write_coco, flavour=COCO),
    ),
    Format(
        name="coco-polygons",
        title="COCO, polygons",
        description=(
            "JSON with polygons along the edges of pixels, holes on bridges; exact where they are rasterised "
            "as pycocotools does it, with overlaps, status, confidence and origin."
        ),
        matches=is_coco,
        read=read_coco,
        write=partial(write_coco, flavour=COCO_POLYGONS),
    ),
    Format(
        name="livecell",
        title="LIVECell",
        description=(
            "COCO's polygons in the files and folders of LIVECell; exact as in COCO with polygons. Both its "
            "lists and its dictionaries of annotations are read."
        ),
        matches=is_coco,
        read=read_coco,
        write=partial(write_coco, flavour=LIVECELL),
    ),
    Format(
        name="cvat",
        title="CVAT (COCO 1.0)",
        description=(
            "COCO as CVAT and Datumaro write it, objects as masks in run lengths; exact, with overlaps, "
            "status, confidence and origin. Areas marked as crowd are read as objects."
        ),
        matches=is_coco,
        read=partial(read_coco, crowd_is_object=True),
        write=partial(write_coco, flavour=CVAT),
    ),
)
