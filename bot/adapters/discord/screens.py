"""What people fill in on Discord: dialogs and choices, as the JSON that Discord shows. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from bot.adapters.discord.commands import option_names
from bot.adapters.discord.showing import ACTION
from bot.commands import Command
from bot.forms import FormField
from bot.translations import translate

__all__ = ["button", "dialog", "inputs", "matching", "question", "reason", "request_of", "row", "select"]

_ROW, _BUTTON, _SELECT, _TEXT, _MENTIONABLE, _LABEL = 1, 2, 3, 4, 7, 18
_MOST_PEOPLE = 25  # in one list
MOST_INPUTS = 5  # in one dialog
_LONG = 300  # characters from which a text has several lines
_YES, _NO = "yes", "no"


def question(command: Command, target_id: str, locale: str) -> dict[str, Any]:
    """Ask what somebody wants to know about a message."""
    fields = [field for field in command.request.fields if field.required]
    words = command.request.words
    if words is not None and words not in fields:
        fields.insert(0, words)
    wanted = [(field, None) for field in fields[:MOST_INPUTS]]
    return dialog(f"ask:{command.name}:{target_id}", command.menu, inputs(wanted, locale, must=True), locale)


def reason(locale: str) -> dict[str, Any]:
    """Ask what was wrong with an answer."""
    field = FormField("why", "str", "What should have been different?", False, "", most=1000)
    return dialog("why", "Thank you for telling me", inputs([(field, "")], locale), locale)


def dialog(action: str, title: str, components: list[dict[str, Any]], locale: str) -> dict[str, Any]:
    return {"custom_id": f"{ACTION}{action}", "title": _cut(translate(title, locale), 45), "components": components}


def inputs(fields: Iterable[tuple[FormField, Any]], locale: str, *, must: bool = False) -> list[dict[str, Any]]:
    """An input for each field, with what is set now; of people and roles, pairs of an id and `user` or `role`. With
    `must`, a text may not be left empty.
    """
    return [_input(field, value, locale, must=must) for field, value in fields]


def request_of(command: Command, filled: Mapping[str, Any]) -> dict[str, Any]:
    """What was filled in, as the request of a skill."""
    known = {field.name: field for field in command.request.fields}
    return {name: read(known[name], value) for name, value in filled.items() if name in known}


def read(field: FormField, value: Any) -> Any:
    """What was filled in for one field: a number stays text, which the form reads and says what is wrong with it."""
    if field.kind == "people":
        return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    if isinstance(value, list | tuple):
        value = value[0] if value else ""
    if field.kind == "bool":
        return value == _YES
    if field.kind == "choice":
        return next((choice for choice in field.choices if str(choice) == value), value)
    if field.kind in ("int", "float"):
        return str(value).strip() or None  # which is as it was meant to be without it
    return str(value)


def matching(command: Command, focused: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The choices of an option that begin with, or else hold, what was typed."""
    field = option_names(command).get(str(focused.get("name", "")))
    typed = str(focused.get("value", "")).casefold()
    found = [str(choice) for choice in field.choices if typed in str(choice).casefold()] if field else []
    return [(each, each) for each in sorted(found, key=lambda each: not each.casefold().startswith(typed))]


def button(action: str, label: str, locale: str, style: int = 2) -> dict[str, Any]:
    return {
        "type": _BUTTON,
        "style": style,
        "label": _cut(translate(label, locale), 80),
        "custom_id": f"{ACTION}{action}",
    }


def row(*components: dict[str, Any]) -> dict[str, Any]:
    return {"type": _ROW, "components": list(components)}


def select(
    action: str, placeholder: str, options: Iterable[tuple[str, str, str]], chosen: str, locale: str
) -> dict[str, Any]:
    """A list to choose one from: (value, label, description)."""
    return {
        "type": _SELECT,
        "custom_id": f"{ACTION}{action}",
        "placeholder": _cut(translate(placeholder, locale), 150),
        "options": [
            {
                "value": value,
                "label": _cut(label, 100),
                "description": _cut(translate(description, locale), 100),
                "default": value == chosen,
            }
            for value, label, description in list(options)[:25]
        ],
    }


def _input(field: FormField, value: Any, locale: str, *, must: bool) -> dict[str, Any]:
    if field.kind in ("bool", "choice"):
        shown = {True: _YES, False: _NO}.get(value, str(value)) if field.kind == "bool" else str(value)
        choices = [_YES, _NO] if field.kind == "bool" else [str(choice) for choice in field.choices[:25]]
        return _label(
            field.name,
            field.description,
            locale,
            {
                "type": _SELECT,
                "custom_id": field.name,
                "required": True,
                "options": [
                    {"value": choice, "label": _cut(translate(choice, locale), 100), "default": choice == shown}
                    for choice in choices
                ],
            },
        )
    if field.kind == "people":
        chosen = [{"id": each, "type": what} for each, what in value or ()][:_MOST_PEOPLE]
        people = {"required": False, "min_values": 0, "max_values": _MOST_PEOPLE, "default_values": chosen}
        return _label(field.name, field.description, locale, {"type": _MENTIONABLE, "custom_id": field.name, **people})
    text = field.kind == "str"
    most = min(int(field.most), 4000) if text and field.most else 4000 if text else 20
    component: dict[str, Any] = {
        "type": _TEXT,
        "custom_id": field.name,
        "style": 2 if text and most > _LONG else 1,
        "required": must or field.required or not (text or field.default is None),
        "max_length": most,
    }
    if value not in (None, ""):
        component["value"] = str(value)[:most]
    if bounds := _bounds(field):
        component["placeholder"] = bounds
    return _label(field.name, field.description, locale, component)


def _label(name: str, text: str, locale: str, component: dict[str, Any]) -> dict[str, Any]:
    """The name of a field above its input, and what it means below it; short enough, that is its name."""
    said = translate(text, locale)
    if len(said) <= 45:
        return {"type": _LABEL, "label": said, "component": component}
    title = translate(f":{name.lower().replace('_', '-')}", locale).removeprefix(":")
    shown = title[:1].upper() + title[1:].replace("-", " ")
    return {"type": _LABEL, "label": _cut(shown, 45), "description": _cut(said, 100), "component": component}


def _bounds(field: FormField) -> str:
    if field.kind not in ("int", "float") or field.least is None or field.most is None:
        return ""
    return f"{field.least:g} – {field.most:g}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
