"""What moderators can set, for adapters' tests that have no core behind them."""

from collections.abc import Iterable
from typing import Any

from bot.adapter import Adapter
from bot.choosing import Choosing
from bot.commands import Command
from bot.messages import Channel
from bot.skill import Skill
from bot.testing import ScriptedModel, models_of
from storage import Store

__all__ = ["topics_of"]


def topics_of(skills: Iterable[Skill[Any, Any]], adapter: Adapter | None = None) -> tuple[Command, ...]:
    """What the core lets moderators set of these skills, and on this platform, where each model does everything."""
    nowhere: Store = None  # type: ignore[assignment]  # nothing is read for this
    found = {skill.name: skill for skill in skills}
    adapters = {adapter.name: adapter} if adapter else {}
    channel = Channel(adapter.name if adapter else "", "")
    return Choosing(nowhere, found, models_of(ScriptedModel()), adapters).settable(channel)
