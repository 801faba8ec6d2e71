"""What moderators can set, for adapters' tests that have no core behind them."""

from collections.abc import Iterable
from typing import Any

from bot.choosing import Choosing
from bot.commands import Command
from bot.messages import Channel
from bot.skill import Skill
from bot.testing import ScriptedModel, models_of
from storage import Store

__all__ = ["topics_of"]


def topics_of(skills: Iterable[Skill[Any, Any]]) -> tuple[Command, ...]:
    """What the core lets moderators set of these skills, where each model does everything."""
    nowhere: Store = None  # type: ignore[assignment]  # nothing is read for this
    found = {skill.name: skill for skill in skills}
    return Choosing(nowhere, found, models_of(ScriptedModel())).settable(Channel("fake", ""))
