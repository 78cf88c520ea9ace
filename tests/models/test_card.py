"""Model cards: round trip, validation in words, hashes."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from napari_cellseg.errors import ModelError, OutputError
from napari_cellseg.instances.decoding import VoteDecoding
from napari_cellseg.instances.mask_decoding import MaskDecoding
from napari_cellseg.models.card import ModelCard, file_hash, parse_card, read_card, refresh_card, write_card


def test_a_card_survives_writing_and_reading(tmp_path, tiny_card):
    card = tiny_card(
        data=[
            {
                "name": "a",
                "title": "Ä",
                "licence": "CC0",
                "citation": "x",
                "train_images": 3,
                "train_objects": 9,
                "validation_images": 1,
                "validation_objects": 2,
            }
        ],
        scores=[{"data": "a", "metric": "AP50", "value": 0.75, "images": 1, "objects": 2}],
        recipe={"seed": 1, "steps": [1, 2]},
        default_diameter="auto",
        not_for=("diagnosis",),
    )
    path = tmp_path / "card.json"
    write_card(card, path)
    assert read_card(path) == card
    assert "Ä" in path.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["card.json"]


def test_a_decoder_of_masks_survives_and_one_that_says_nothing_is_of_votes(tmp_path, tiny_card):
    path = tmp_path / "card.json"
    mask = MaskDecoding("map", prominence=0.3)
    write_card(tiny_card(decoder=mask, maps=("foreground", "distance", "disagreement")), path)
    assert read_card(path).decoder == mask
    fields = tiny_card().model_dump(mode="json")
    assert "method" not in fields["decoder"]
    assert parse_card(json.dumps(fields), "the card").decoder == VoteDecoding()
    fields["decoder"] = {"foreground": 0.4}
    assert parse_card(json.dumps(fields), "the card").decoder == VoteDecoding(foreground=0.4)


def test_every_field_is_described():
    def properties(schema):
        yield from schema.get("properties", {}).items()
        for name, part in schema.get("$defs", {}).items():
            if name not in ("VoteDecoding", "MaskDecoding", "PrototypeDecoding"):
                yield from part.get("properties", {}).items()

    missing = [
        name for name, field in properties(ModelCard.model_json_schema()) if not field.get("description")
    ]
    assert missing == []


@pytest.mark.parametrize(
    "change, words",
    [
        ({"name": "../evil"}, "name"),
        ({"weights": "../evil.onnx"}, "plain file name"),
        ({"sha256": "abc"}, "sha256"),
        ({"confidence": 0.05}, "confidence_floor must not be above confidence"),
        ({"diameter_range": (60, 5)}, "smallest, largest"),
        ({"tile": 65}, "multiple of 16"),
        ({"overlap": 64}, "overlap must be smaller"),
        ({"decoder": None}, "maps and a decoder"),
        ({"maps": ()}, "maps and a decoder"),
        ({"decoder": {"no_such": 1}}, "unknown decoder parameters: no_such"),
        ({"decoder": {"method": "mask", "iterations": 3}}, "unknown decoder parameters: iterations"),
        ({"decoder": {"method": "magic"}}, "method must be 'votes' or 'mask'"),
        ({"decoder": {"method": "mask", "floor": 0.9}}, "floor not above foreground"),
        ({"decoder": {"method": "mask"}, "maps": ["distance"]}, "map foreground first"),
        (
            {"decoder": {"method": "mask", "separation": "map"}, "maps": ["foreground", "disagreement"]},
            "foreground and then distance first",
        ),
        ({"scaling": {"low_percentile": 99, "high_percentile": 1}}, "must be below"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_card_is_refused_in_words(tiny_card, change, words):
    fields = {**tiny_card().model_dump(mode="json"), **change}
    with pytest.raises(ModelError, match=words):
        parse_card(json.dumps(fields), "the card")


def test_a_card_cannot_be_changed(tiny_card):
    with pytest.raises(ValidationError):
        tiny_card().name = "other"


def test_text_that_is_no_card_and_a_newer_card(tmp_path):
    with pytest.raises(ModelError, match="not valid JSON"):
        parse_card("{", "x.json")
    with pytest.raises(ModelError, match="not a valid model card"):
        parse_card("[1]", "x.json")
    with pytest.raises(ModelError, match="Update napari-cellseg"):
        parse_card('{"format": 2}', "x.json")
    with pytest.raises(ModelError, match="cannot be read"):
        read_card(tmp_path / "none.json")


def test_a_card_that_cannot_be_written(tmp_path, tiny_card):
    with pytest.raises(OutputError, match="folder does not exist"):
        write_card(tiny_card(), tmp_path / "none" / "card.json")


def test_refreshing_takes_the_hash_of_the_weights(make_model):
    weights: Path = make_model()
    weights.write_bytes(b"other")
    card = refresh_card(weights.with_suffix(".json"))
    assert card.sha256 == hashlib.sha256(b"other").hexdigest() == file_hash(weights)
    assert read_card(weights.with_suffix(".json")) == card
    with pytest.raises(ModelError, match="cannot be read"):
        file_hash(weights.with_name("none"))


def test_refreshing_from_a_terminal(make_model):
    weights: Path = make_model()
    weights.write_bytes(b"other")
    command = [sys.executable, "-m", "napari_cellseg.models.card"]
    path = weights.with_suffix(".json")
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True)
    assert hashlib.sha256(b"other").hexdigest() in done.stdout
    failed = subprocess.run([*command, "none.json"], capture_output=True, text=True, check=False)
    assert (failed.returncode, failed.stderr.count("\n")) == (1, 1)
    assert failed.stderr.startswith("Error: The model card 'none.json' cannot be read")
