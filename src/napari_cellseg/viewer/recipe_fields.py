"""Values of a recipe that a form offers: name, kind, range and help, as the recipe itself describes them."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Kind: TypeAlias = Literal["whole", "number", "tick", "choice"]

TITLES = {
    "epochs": "E&pochs",
    "steps": "&Steps per epoch",
    "patience": "P&atience",
    "batch": "&Batch",
    "edge": "P&icture edge",
    "imgsz": "P&icture edge",
    "scale": "Ima&ge scale",
    "patches": "Patches per epoch",
    "rate": "&Learning rate",
    "keep": "&Remembering",
    "channel": "Chan&nel",
    "single_class": "One class",
    "best_by": "Best &by",
    "seed": "Seed",
    "threads": "Cores",
    "cores": "Cores",
}
"""Values that the form offers, in this order, and what they are called there; a recipe has some of them."""
MANY = 1_000_000
_RULES = ("ge", "gt", "le", "lt", "multiple_of")
"""What pydantic calls the ends and steps of a range."""


@dataclass(frozen=True)
class RecipeField:
    """A value of a recipe.

    Attributes
    ----------
    name, title, help : str
        In the recipe, in a form, and what it does.
    kind : {"whole", "number", "tick", "choice"}
        A whole number, any number, yes or no, or one of `choices`.
    default : object
        As the preset has it.
    low, high : float
        The range of a number.
    step : int
        A whole number must be a multiple of it.
    choices : tuple
        What can be chosen.
    may_be_none : bool
        Whether None, "automatic", is allowed.
    """

    name: str
    title: str
    help: str
    kind: Kind
    default: Any
    low: float = 0.0
    high: float = float(MANY)
    step: int = 1
    choices: tuple[Any, ...] = ()
    may_be_none: bool = False


def recipe_fields(recipe: BaseModel) -> list[RecipeField]:
    """The values of a recipe that a form offers, with those of the recipe as defaults."""
    known = type(recipe).model_fields
    found = [_field(name, known[name], getattr(recipe, name)) for name in TITLES if name in known]
    return [field for field in found if field is not None]


def changes_of(fields: list[RecipeField], values: dict[str, Any]) -> dict[str, Any]:
    """Those of some values that differ from the recipe's."""
    return {f.name: values[f.name] for f in fields if f.name in values and values[f.name] != f.default}


def _field(name: str, info: FieldInfo, value: Any) -> RecipeField | None:
    kinds = set(get_args(info.annotation)) if get_origin(info.annotation) is not Literal else set()
    kinds = kinds or {info.annotation}
    may_be_none = type(None) in kinds
    choices = _choices(info.annotation)
    told = info.description or ""
    title = TITLES[name]
    if bool in kinds:
        return RecipeField(name, title, told, "tick", value)
    if choices:
        return RecipeField(name, title, told, "choice", value, choices=choices, may_be_none=may_be_none)
    if not kinds & {int, float}:
        return None
    low, high, step = _range(info)
    kind: Kind = "number" if float in kinds else "whole"
    return RecipeField(name, title, told, kind, value, low, high, step, may_be_none=may_be_none)


def _choices(annotation: Any) -> tuple[Any, ...]:
    """What a value of a few words can be; numbers beside the words are offered up to 3."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    parts = get_args(annotation)
    words = tuple(word for part in parts if get_origin(part) is Literal for word in get_args(part))
    return (*words, 0, 1, 2, 3) if words and int in parts else words


def _range(info: FieldInfo) -> tuple[float, float, int]:
    rules = {name: getattr(rule, name) for rule in info.metadata for name in _RULES if hasattr(rule, name)}
    low = rules.get("ge", rules.get("gt", 0.0))
    high = rules.get("le", rules.get("lt", MANY))
    return float(low), float(high), int(rules.get("multiple_of", 1))
