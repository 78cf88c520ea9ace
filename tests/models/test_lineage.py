"""Parents of models, and cards side by side."""

import pytest

from napari_cellseg.errors import ModelError, OptionError
from napari_cellseg.models.card import DataSource, Score, file_hash, read_card, write_card
from napari_cellseg.models.collection import add_model, remove_model, rename_model
from napari_cellseg.models.comparing import compare_models
from napari_cellseg.models.lineage import lineage, lineage_words
from napari_cellseg.models.registry import find_model


@pytest.fixture
def add(make_model, tiny_onnx, tmp_path):
    """Add a tiny model with weights of its own."""

    def added(name, number, **changes):
        import numpy as np

        content = tiny_onnx(np.full((4, 3), number, np.float32))
        return add_model(make_model(name, tmp_path / name, content=content, **changes))

    return added


def names(model):
    return [ancestor.entry and ancestor.entry.card.name for ancestor in lineage(model)]


def test_parents_are_found_by_hash_whatever_they_are_called(add):
    first = add("first", 1)
    add("second", 2, parent=f"first {first.card.sha256}")
    third = add("third", 3, parent=find_model("second").card.sha256)
    assert names("third") == ["second", "first"]
    rename_model("first", "renamed")
    add("first", 4)
    assert names(third) == ["second", "renamed"]
    words = lineage_words(lineage("third"))
    assert words == (
        f"second ({find_model('second').card.sha256[:12]}…), from renamed ({first.card.sha256[:12]}…)"
    )
    remove_model("second")
    assert names("third") == [None]
    assert "not among your models" in lineage_words(lineage("third"))


def test_parents_by_name_by_trainable_weights_and_by_export(add, make_model, tmp_path):
    assert lineage_words(lineage("nuclei")) == "scratch"
    add("by-name", 1, parent="Nuclei")
    assert names("by-name") == ["nuclei"]
    add("by-trainable", 2, parent=file_hash(find_model("nuclei").trainable))
    assert names("by-trainable") == ["nuclei"]
    told = {
        "format": "onnx",
        "precision": "fp32",
        "source": "a.pt",
        "source_sha256": "d" * 64,
        "made_with": "x",
    }
    add("exported", 3, export=told)
    add("child", 4, parent="d" * 64)
    assert names("child") == ["exported"]


def test_a_circle_ends(add):
    entry = add("own", 1)
    card = read_card(entry.card_path)
    write_card(card.model_copy(update={"parent": card.sha256}), entry.card_path)
    assert names("own") == ["own"]


def score(value, images):
    return Score(data="mine", metric="AP50", value=value, images=images, objects=90)


def test_cards_side_by_side(add):
    source = DataSource(
        name="mine", title="t", licence="CC0", citation="c", train_images=3, train_objects=9,
        validation_images=1, validation_objects=2,
    )  # fmt: skip
    add("old", 1, scores=(score(0.5, 4), score(0.7, 5)), recipe={"epochs": 3})
    add("new", 2, scores=(score(0.6, 4), score(0.8, 6)), parent="old", author="Ada", data=(source,),
        trained_on=("a" * 16, "b" * 16, "c" * 16))  # fmt: skip
    table = compare_models(["old", "new"])
    assert list(table.columns) == ["old", "new"]
    assert list(table.loc["AP50, mine (4 images, 90 objects)"]) == [0.5, 0.6]
    assert list(table.loc["AP50, mine (5 images, 90 objects)"]) == [0.7, None]
    assert list(table.loc["AP50, mine (6 images, 90 objects)"]) == [None, 0.8]
    assert list(table.loc["author"]) == [None, "Ada"]
    assert table.at["trained from", "new"].startswith("old (")
    assert list(table.loc["learnt from"]) == [None, "3 images, whose hashes are in the card"]
    assert list(table.loc["recipe: epochs"]) == ["3", None]
    assert "pixel_size" not in table.index


def test_files_of_the_same_name_and_what_cannot_be_compared(add, tmp_path):
    add("cells", 1)
    file = tmp_path / "cells" / "cells.onnx"
    assert list(compare_models(["cells", file]).columns) == ["cells", str(file)]
    assert "author" not in compare_models([file]).index
    with pytest.raises(OptionError, match="at least one"):
        compare_models([])
    with pytest.raises(ModelError, match="no model 'none'"):
        compare_models(["none"])
