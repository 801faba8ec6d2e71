"""JSON → botbuilder's Activity, as the library itself reads it, at a tenth of what that costs.

The library goes through some fifty fields of every activity, there or not, and copies its description of each. Here
only what is there is looked at; whatever is unusual in it is left to the library.
"""

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Any

from botbuilder.schema import Activity
from msrest.serialization import Deserializer, Model

__all__ = ["read_activity"]

_Read = Callable[[Any], Any]
_MODELS: dict[str, Any] = Activity._infer_class_models()  # noqa: SLF001 - as its own `deserialize` does
_LIBRARY: Any = Deserializer(_MODELS)  # type: ignore[no-untyped-call]


def read_activity(body: dict[str, Any]) -> Activity:
    """The activity that is written in this JSON. Raises what the library raises for what is none."""
    activity: Activity = _read_model(Activity, body)
    return activity


def _read_model(model: Any, told: Any) -> Any:
    if told is None:
        return None
    fields, found, more = _fields(model), {}, {}
    for key, value in told.items():
        field = fields.get(key)
        if field is None:
            more[key] = value
        elif value is not None:
            found[field[0]] = field[1](value)
    read = model(**found)
    if more:
        read.additional_properties = more
    return read


@functools.cache
def _fields(model: Any) -> dict[str, tuple[str, _Read]]:
    """By its key in JSON, the name of each field of a model, and how it is read."""
    described = model._attribute_map.items()  # noqa: SLF001 - the library has no other way to ask
    return {place["key"]: (name, _reader(place["type"])) for name, place in described if place["key"]}


def _reader(kind: str) -> _Read:
    if kind == "object":
        return lambda value: value
    if kind == "str":
        return lambda value: value if type(value) is str else str(value)
    if kind == "iso-8601":
        return _moment
    inner = _MODELS.get(kind.strip("[]"))
    if isinstance(inner, type) and issubclass(inner, Model):
        if kind.startswith("["):
            return lambda value: [_read_model(inner, each) for each in _list(value)]
        return functools.partial(_read_model, inner)
    return lambda value: _LIBRARY.deserialize_data(value, kind)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def _moment(value: Any) -> datetime:
    """As Teams writes it: `2026-01-31T12:00:00.123Z`. Any other way is for the library to read."""
    if type(value) is str and len(value) <= 24 and value.endswith("Z") and value[10:11] == "T":
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    found: datetime = _LIBRARY.deserialize_data(value, "iso-8601")
    return found
