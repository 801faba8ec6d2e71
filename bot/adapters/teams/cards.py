"""Adaptive Cards: buttons below an answer, and forms that a person fills in. Plain JSON, without botbuilder."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.forms import Form, FormField
from bot.markup import length
from bot.messages import Button
from bot.policy import ids_in
from bot.translations import translate

__all__ = [
    "CARD",
    "MINE",
    "Json",
    "card_of",
    "dialog",
    "field_of",
    "fields_of",
    "pressed_in",
    "row",
    "stop",
    "table",
    "values_of",
    "weight",
    "words",
]

Json = dict[str, Any]

CARD = "application/vnd.microsoft.card.adaptive"
_VERSION = "1.5"
MINE = "parley"  # the key under which a button says what it means
_APART = ("good", "bad", "stop")  # Teams has thumbs of its own, and what stops an answer has a card of its own
_MOST_BUTTONS = 6
_LONGEST_LABEL = 40
_MULTILINE = 200  # characters from which a text is asked for in a larger box


def card_of(body: Sequence[Json], actions: Sequence[Json] = (), *, wide: bool = False) -> Json:
    """A card; `wide` as the conversation."""
    card: Json = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": _VERSION,
        "body": list(body),
    }
    if wide:
        card["msteams"] = {"width": "Full"}
    return card | {"actions": list(actions)} if actions else card


def words(text: str, **more: Any) -> Json:
    """A line of text."""
    return {"type": "TextBlock", "text": text, "wrap": True} | more


def row(buttons: Iterable[Button], answer: str, locale: str = "", tables: Sequence[Json] = ()) -> Json | None:
    """The buttons below the answer with this message id, and its tables; None when there is nothing to show.

    Who presses one is asked for on the server: everybody in a channel sees the same buttons.
    """
    actions = [_action(button, answer, locale) for button in buttons if button.action not in _APART][:_MOST_BUTTONS]
    return card_of(tables, actions, wide=bool(tables)) if actions or tables else None


def stop(answer: str, locale: str) -> Json:
    """What ends the answer with this message id, while it is being written."""
    return card_of((), [_action(Button("stop", "Stop"), answer, locale)])


def _action(button: Button, answer: str, locale: str) -> Json:
    data = {MINE: {"action": button.action, "answer": answer}}
    title = translate(button.label, locale)[:_LONGEST_LABEL]
    return {
        "type": "Action.Execute",
        "title": title,
        "verb": button.action[:60],
        "data": data,
        "fallback": {"type": "Action.Submit", "title": title, "data": data},  # for clients that know no Execute
    }


def pressed_in(data: Any) -> tuple[str, str] | None:
    """The (action, answer) of one of our own buttons, or None for anything else."""
    mine = data.get(MINE) if isinstance(data, dict) else None
    if not isinstance(mine, dict):
        return None
    action, answer = mine.get("action"), mine.get("answer")
    if isinstance(action, str) and isinstance(answer, str) and action and answer:
        return action[:100], answer[:400]
    return None


def dialog(title: str, body: Sequence[Json], submit: str = "", data: Json | None = None) -> Json:
    """What Teams opens as a dialog: a card with one button that sends everything filled in, with `data` along.

    Without `submit` it has no button.
    """
    sends = {"type": "Action.Submit", "title": submit[:_LONGEST_LABEL], "data": data or {}}
    card = card_of(body, [sends] if submit else [])
    return {"title": title[:64], "height": "medium", "width": "medium", "card": {"contentType": CARD, "content": card}}


def fields_of(form: Form, locale: str) -> list[Json]:
    """The inputs of a form, filled with what each field is by default."""
    return [field_of(field, locale, value=field.default) for field in form.fields]


def field_of(field: FormField, locale: str, *, value: Any, prefix: str = "") -> Json:
    """The input of one field, filled with a value."""
    label = translate(field.description, locale)[:200]
    given: Json = {"id": f"{prefix}{field.name}", "label": label}
    if field.required:
        given |= {"isRequired": True, "errorMessage": translate("This is needed.", locale)}
    match field.kind:
        case "bool":
            switch = {"type": "Input.Toggle", "title": label, "valueOn": "true", "valueOff": "false", "wrap": True}
            return {"id": given["id"]} | switch | {"value": "true" if value else "false"}
        case "choice":
            choices = [
                {"title": translate(str(choice), locale) or "–", "value": str(choice)} for choice in field.choices
            ]
            return given | {"type": "Input.ChoiceSet", "choices": choices} | _value(value)
        case "people":
            # Teams finds people for this as one types, and gives their Entra ids. A client that cannot find any shows
            # those that are chosen, and does not lose them.
            ids = sorted(ids_in(str(value or "")))
            picked = [{"title": each, "value": each} for each in ids]
            found = {"choices.data": {"type": "Data.Query", "dataset": "graph.microsoft.com/users"}}
            picker = {"type": "Input.ChoiceSet", "isMultiSelect": True, "style": "filtered", "choices": picked}
            return given | picker | found | _value(",".join(ids))
        case "int" | "float":
            bounds = {"min": field.least, "max": field.most, "value": value}
            number = {"type": "Input.Number"} | {name: each for name, each in bounds.items() if each is not None}
            return given | number | {"errorMessage": _bounds(field, locale)}
        case _:
            text: Json = {"type": "Input.Text", "isMultiline": field.most is None or field.most > _MULTILINE}
            if field.most is not None:
                text["maxLength"] = int(field.most)
            return given | text | _value(value)


def _bounds(field: FormField, locale: str) -> str:
    """What a number may be: clients say it at once, before anything is sent."""
    low, high = (f"{each:g}" if each is not None else "" for each in (field.least, field.most))
    sentence = "This has to be a number."
    if low and high:
        sentence = "This has to be a number from {low} to {high}."
    elif low:
        sentence = "This has to be a number, {low} or more."
    elif high:
        sentence = "This has to be a number, {high} or less."
    return translate(sentence, locale).replace("{low}", low).replace("{high}", high)


def weight(what: Any) -> int:
    """How many bytes a part of a card has, as Teams counts them: as UTF-16."""
    return 2 * length(json.dumps(what, ensure_ascii=False))


def _value(value: Any) -> Json:
    return {} if value is None or value == "" else {"value": str(value)}


def values_of(form: Form, data: Mapping[str, Any], *, prefix: str = "") -> Json:
    """What was filled in, by the names of the form's fields, ready to be checked; what was left empty is left out."""
    found: Json = {}
    for field in form.fields:
        given = data.get(f"{prefix}{field.name}")
        if given is None or not isinstance(given, str | int | float) or (isinstance(given, str) and not given.strip()):
            continue
        if field.kind == "choice":
            given = next((choice for choice in field.choices if str(choice) == str(given)), given)
        elif field.kind == "bool":
            given = str(given).lower() == "true"
        elif field.kind in ("int", "float"):
            given = _read(given)
        elif field.kind == "people":
            given = " ".join(sorted(ids_in(str(given))))
        found[field.name] = given
    return found


def _read(given: str | int | float) -> str | int | float:
    """A number as clients send it: as one, or as its text."""
    try:
        number = float(given)
    except (ValueError, OverflowError):
        return given  # whoever checks it says what is wrong
    if not math.isfinite(number):
        return str(given)
    return int(number) if number.is_integer() else number


def table(rows: Sequence[Sequence[str]]) -> Json:
    """A table whose first row is its head."""
    columns = max(len(each) for each in rows)
    return {
        "type": "Table",
        "firstRowAsHeader": True,
        "columns": [{"width": 1}] * columns,
        "rows": [
            {
                "type": "TableRow",
                "cells": [
                    {"type": "TableCell", "items": [words(cell or " ")]}
                    for cell in [*each, *[""] * (columns - len(each))]
                ],
            }
            for each in rows
        ],
    }
