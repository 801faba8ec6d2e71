"""What somebody filled in, in a command or a dialog → a `Message`. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import discord

from bot.adapters.discord.commands import PRIVATE, file_options, option_names
from bot.adapters.discord.hearing import attachments_of, quoted
from bot.commands import Command
from bot.forms import FormField
from bot.messages import Attachment, Channel, Message, Person, Quote

__all__ = ["Asked", "asked_by_command", "message_of", "subcommand", "target_of", "value_of", "written"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a skill, in values."""

    request: dict[str, Any]
    attachments: tuple[Attachment, ...] = ()
    quote: Quote | None = None
    private: bool = False


def subcommand(data: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Which one of a group was called, and the options it was given."""
    chosen: Mapping[str, Any] = next(iter(data.get("options", ())), {})
    return str(chosen.get("name", "")), {each["name"]: each.get("value") for each in chosen.get("options", ())}


def asked_by_command(command: Command, interaction: discord.Interaction) -> Asked:
    """What the options of a slash command say."""
    data: Mapping[str, Any] = interaction.data or {}
    given = {each["name"]: each.get("value") for each in data.get("options", ())}
    fields = option_names(command)
    request = {field.name: value_of(field, given[name]) for name, field in fields.items() if name in given}
    private = command.private if PRIVATE in fields else bool(given.get(PRIVATE, command.private))
    found: Mapping[str, Any] = (data.get("resolved") or {}).get("attachments") or {}
    state = interaction._state  # noqa: SLF001 - as discord.py makes its own
    files = [
        discord.Attachment(data=found[str(given[name])], state=state)
        for name in file_options(command)
        if name in given and str(given[name]) in found
    ]
    return Asked(request, attachments_of(files, None), private=private)


def target_of(interaction: discord.Interaction) -> Quote | None:
    """The message whose menu was opened."""
    data: Mapping[str, Any] = interaction.data or {}
    found: Mapping[str, Any] = (data.get("resolved") or {}).get("messages") or {}
    raw = found.get(str(data.get("target_id")))
    if raw is None or interaction.channel is None:
        return None
    state = interaction._state  # noqa: SLF001 - as discord.py makes its own
    return quoted(discord.Message(state=state, channel=interaction.channel, data=raw))  # type: ignore[arg-type]


def message_of(
    interaction: discord.Interaction, command: Command, asked: Asked, channel: Channel, author: Person
) -> Message:
    """The question, with its words where a reader of the channel would look for them."""
    words = command.request.words
    text = asked.request.get(words.name) if words else None
    return Message(
        id=str(interaction.id),
        channel=channel,
        author=author,
        text=text if isinstance(text, str) else "",
        sent_at=interaction.created_at,
        attachments=asked.attachments,
        quote=asked.quote,
        skill=command.name,
        request=asked.request,
        private=asked.private,
    )


def written(components: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was filled in in a dialog: the id of each input → its text, or the values that were chosen."""
    found: dict[str, Any] = {}
    for component in components:
        inner = [component["component"]] if "component" in component else component.get("components", ())
        for each in inner:
            if "custom_id" in each:
                found[str(each["custom_id"])] = each["values"] if "values" in each else each.get("value", "")
    return found


def value_of(field: FormField, value: Any) -> Any:
    """A value as the skill's form has it: Discord has only text where it offers a choice."""
    if field.kind == "choice":
        return next((choice for choice in field.choices if str(choice) == str(value)), value)
    return value
