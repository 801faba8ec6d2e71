"""Forms on a page: what a person fills in is described to the script, and what they filled in is read back.

Nothing here knows whose form it is: a skill's request on the page, or its settings anywhere a moderator changes them.
"""

import re
from collections.abc import Mapping
from typing import Any

from bot.commands import Command
from bot.errors import UserError
from bot.forms import Form, FormField
from bot.markup import clean

__all__ = ["command_facts", "form_facts", "known_fields", "mistakes", "spoken"]

_NAMED = re.compile(r"“([^”]*)”")


def form_facts(form: Form) -> dict[str, Any]:
    """A form as the script draws it; `words` is the field that takes what a person writes, if there is one."""
    return {"words": form.words.name if form.words else "", "fields": [_field_facts(each) for each in form.fields]}


def _field_facts(field: FormField) -> dict[str, Any]:
    return {
        "name": field.name,
        "kind": field.kind,
        "description": field.description,
        "required": field.required,
        "default": field.default,
        "choices": list(field.choices),
        "least": field.least,
        "most": field.most,
    }


def command_facts(command: Command) -> dict[str, Any]:
    """A command as the page lists it."""
    return {
        "name": command.name,
        "help": command.help,
        "takes": list(command.takes),
        "menu": command.menu,
        "request": form_facts(command.request),
        "settings": form_facts(command.settings),
    }


def known_fields(form: Form, given: Mapping[str, Any]) -> dict[str, Any]:
    """Of what was filled in, the fields that the form has and that hold a plain value; texts are cleaned."""
    names = {field.name for field in form.fields}
    return {
        name: clean(value) if isinstance(value, str) else value
        for name, value in given.items()
        if name in names and isinstance(value, str | int | float | None)
    }


def spoken(command: Command, asked: Mapping[str, Any]) -> str:
    """A command as somebody would write it: `/draw size=wide a fox`."""
    words = command.request.words
    chosen = [
        f"{field.name}={_written(asked[field.name])}"
        for field in command.request.fields
        if field is not words and field.name in asked and asked[field.name] not in (field.default, "")
    ]
    return " ".join([f"/{command.name}", *chosen, str(asked.get(words.name, "")) if words else ""]).strip()


def _written(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def mistakes(error: UserError, form: Form) -> dict[str, str]:
    """Which field each sentence of an error is about; what is about none of them is under `""`."""
    names = {field.name for field in form.fields}
    found: dict[str, str] = {}
    for sentence in str(error).splitlines():
        named = next((name for name in _NAMED.findall(sentence) if name in names), "")
        found[named] = f"{found[named]} {sentence}" if named in found else sentence
    return found
