"""The reference page says what the registry says."""

from pathlib import Path

from napari_cellseg.features.reference import feature_reference
from napari_cellseg.features.registry import registry

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_page_is_what_the_registry_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == feature_reference(), (
        "write it anew: python -m napari_cellseg.features.reference docs/features.md"
    )


def test_every_feature_has_its_words() -> None:
    for feature in registry().values():
        assert feature.definition.endswith(".")
        assert feature.formula
        assert feature.source
