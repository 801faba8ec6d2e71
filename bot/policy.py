"""May this person use this skill here? Pure: what moderators chose comes in, a `UserError` or nothing comes out."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from bot.errors import UserError
from bot.messages import Message
from bot.skill import Settings, Skill

__all__ = ["permit", "settings_of"]


def permit(message: Message, skill: Skill[Any, Any], chosen: Mapping[str, Any]) -> None:
    """Raise `UserError` when the skill is switched off in this channel."""
    if message.author.bot:
        raise UserError("I do not answer other bots.")
    if not chosen.get("enabled", True):
        raise UserError(f"“{skill.name}” is switched off in this channel. A moderator can switch it on.")


def settings_of(skill: Skill[Any, Any], chosen: Mapping[str, Any]) -> Settings:
    """The skill's settings here; a choice that a newer version of the skill no longer knows is left out."""
    known = {name: value for name, value in chosen.items() if name in skill.settings_type.model_fields}
    try:
        return skill.settings_type(**known)
    except ValidationError as error:
        wrong = {str(mistake["loc"][0]) for mistake in error.errors() if mistake["loc"]}
        return skill.settings_type(**{name: value for name, value in known.items() if name not in wrong})
