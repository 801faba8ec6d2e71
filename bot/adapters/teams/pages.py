"""The pages of the settings dialog: an overview of what there is, and one or more for each of it. Plain JSON.

A card may have 28 KB, which Teams counts as UTF-16; whatever skills there are and however much can be set, a page has
less.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.adapter import Origin
from bot.adapters.teams.cards import CARD, MINE, Json, card_of, field_of, weight, words
from bot.commands import Command, titled
from bot.translations import translate

__all__ = ["EVERYWHERE", "View", "overview", "page_of", "parts_of"]

EVERYWHERE = "everywhere"
_ROOM = 22_000  # bytes for what is set on one page; the rest is for what stands around it
_FULL = 60  # things on one page of the overview: more is not read
_TOO_LONG = "This text is too long to be changed here."


@dataclass(frozen=True, slots=True)
class View:
    """What is being set: a channel or chat by its `name`, or with `everywhere` the whole organisation.

    `named` says that whoever looks at it may set something for all.
    """

    name: str
    locale: str
    everywhere: bool = False
    named: bool = False
    choices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    origins: Mapping[str, Mapping[str, Origin]] = field(default_factory=dict)

    def says(self, text: str) -> str:
        """A sentence in the language of whoever reads it."""
        return translate(text, self.locale)

    @property
    def title(self) -> str:
        """What is being set, in words."""
        if self.everywhere:
            return self.says("Settings for the whole organisation")
        return self.says("Settings for {channel}").replace("{channel}", self.name or self.says("this chat"))


def overview(view: View, commands: Sequence[Command], number: int = 0, *, said: str = "") -> Json:
    """What there is to set, with its switches. `said` is what came of what was done before."""
    pages = _filled([_entry(view, command) for command in commands], most=_FULL)
    number = min(max(number, 0), len(pages) - 1)
    body = [words(view.title, size="Large", weight="Bolder"), *_remarks(said, wrong=False)]
    if not number:
        body.append(words(view.says("What I do"), weight="Bolder", spacing="Medium"))
    body += pages[number]
    more = number + 1 < len(pages)
    if view.named and not more:
        switch = "Settings for this channel" if view.everywhere else "Settings for the whole organisation"
        data = {"do": "scope", EVERYWHERE: not view.everywhere}
        body.append(
            {"type": "ActionSet", "separator": True, "spacing": "Large", "actions": [_do(view.says(switch), data)]}
        )
    where = {EVERYWHERE: view.everywhere, "page": number}
    actions = [_do(view.says("Save"), {"do": "save"} | where, style="positive")]
    if more:
        actions.append(_do(view.says("Save and go on"), {"do": "next"} | where))
    if number:
        actions.append(_do(view.says("Back"), {"do": "back", EVERYWHERE: view.everywhere, "page": number - 1}))
    return _dialog(view, body, actions)


def page_of(
    view: View,
    command: Command,
    part: int = 0,
    *,
    filled: Mapping[str, Any] | None = None,
    wrong: Mapping[str, str] | None = None,
    said: str = "",
) -> Json:
    """What can be set for one thing: the `part`th part of it. `filled` is what stood there, `wrong` what is not right.

    What is wrong with no field in particular has an empty name.
    """
    parts = parts_of(view, command, filled=filled, wrong=wrong)
    part = min(max(part, 0), len(parts) - 1)
    name = titled(command.name, view.locale).capitalize()
    title = f"{name} ({part + 1}/{len(parts)})" if len(parts) > 1 else name
    body = [
        words(title, size="Large", weight="Bolder"),
        words(view.says(command.help), spacing="None"),
        words(view.title, isSubtle=True, size="Small", spacing="Small"),
        *_remarks(said, wrong=False),
        *_remarks((wrong or {}).get("", ""), wrong=True),
        *parts[part],
    ]
    where = {"skill": command.name, "part": part, EVERYWHERE: view.everywhere}
    actions = [_do(view.says("Save"), {"do": "save"} | where, style="positive")]
    if part + 1 < len(parts):
        actions.append(_do(view.says("Save and go on"), {"do": "next"} | where))
    chosen: Origin = "community" if view.everywhere else "here"
    if chosen in view.origins.get(command.name, {}).values():
        label = "Back to what is usual" if view.everywhere else "Back to the organisation's settings"
        actions.append(_do(view.says(label), {"do": "reset"} | where))
    actions.append(_do(view.says("Back"), {"do": "back", EVERYWHERE: view.everywhere}))
    return _dialog(view, body, actions)


def parts_of(
    view: View,
    command: Command,
    *,
    filled: Mapping[str, Any] | None = None,
    wrong: Mapping[str, str] | None = None,
) -> list[list[Json]]:
    """The fields of one thing, as many together as fit on a page."""
    now = {**view.choices.get(command.name, {}), **(filled or {})}
    origins = view.origins.get(command.name, {})
    fields: list[list[Json]] = []
    for each in command.settings.fields:
        shown = field_of(each, view.locale, value=now.get(each.name, each.default), prefix=f"{command.name}.")
        if weight(shown) > _ROOM // 2:
            label = words(view.says(each.description), weight="Bolder")
            fields.append([label, words(view.says(_TOO_LONG), isSubtle=True)])
            continue
        complaint = (wrong or {}).get(each.name, "")
        remark = _origin(view, origins.get(each.name, "default"))
        fields.append([*_remarks(complaint, wrong=True), shown | {"spacing": "Medium"}, *_remarks(remark, subtle=True)])
    return _filled(fields)


def _filled(groups: Sequence[Sequence[Json]], *, most: int = 1000) -> list[list[Json]]:
    """Pages of groups that stay together, each page as full as may be; at least one."""
    pages: list[list[Json]] = [[]]
    room, count = _ROOM, 0
    for group in groups:
        heavy = weight(group)
        if pages[-1] and (heavy > room or count == most):
            pages.append([])
            room, count = _ROOM, 0
        pages[-1] += group
        room, count = room - heavy, count + 1
    return pages


def _entry(view: View, command: Command) -> list[Json]:
    """One line of the overview: what it is, whether it is on, and the way to its page."""
    name, now = titled(command.name, view.locale).capitalize(), view.choices.get(command.name, {})
    about = words(view.says(command.help)[:300], isSubtle=True, size="Small", spacing="None")
    head: Json = words(name, weight="Bolder")
    if "enabled" in now:
        head = {
            "type": "Input.Toggle",
            "id": f"{command.name}.enabled",
            "title": name[:80],
            "valueOn": "true",
            "valueOff": "false",
            "value": "true" if now["enabled"] else "false",
        }
    columns: list[Json] = [{"type": "Column", "width": "stretch", "items": [head, about]}]
    if command.settings.fields:
        data = {"do": "open", "skill": command.name, EVERYWHERE: view.everywhere}
        button = {"type": "ActionSet", "actions": [_do(view.says("Change…"), data)]}
        columns.append({"type": "Column", "width": "auto", "verticalContentAlignment": "Center", "items": [button]})
    return [{"type": "ColumnSet", "columns": columns, "separator": True, "spacing": "Small"}]


def _origin(view: View, origin: Origin) -> str:
    if origin == "default" or (view.everywhere and origin == "community"):
        return ""
    return view.says("set here" if origin == "here" else "set for the whole organisation")


def _remarks(text: str, *, wrong: bool = False, subtle: bool = False) -> list[Json]:
    if not text:
        return []
    if subtle:
        return [words(text, isSubtle=True, size="Small", spacing="None")]
    return [words(text, color="Attention" if wrong else "Good", weight="Bolder")]


def _do(title: str, data: Json, **more: Any) -> Json:
    return {"type": "Action.Submit", "title": title[:40], "data": {MINE: data}} | more


def _dialog(view: View, body: Sequence[Json], actions: Sequence[Json]) -> Json:
    content = card_of(body, actions)
    return {
        "title": view.says("Settings")[:64],
        "height": "large",
        "width": "medium",
        "card": {"contentType": CARD, "content": content},
    }
