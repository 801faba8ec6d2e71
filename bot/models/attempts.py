"""Which model to ask, and which one after an error."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from bot.messages import Status
from bot.models.errors import Busy, ModelError, NotConfigured
from bot.models.provider import Prompt, Provider, Role
from bot.models.roles import Chosen, Models

__all__ = ["Attempts", "shorter"]

log = structlog.get_logger(__name__)

_LONGEST_WAIT = 20.0  # seconds that a busy model is waited for, once
_UNSAID_WAIT = 2.0  # seconds to wait when it did not say how long


class Attempts:
    """What to ask now, and after an error."""

    def __init__(self, role: Role, models: Models, chosen: Chosen, waiting: Callable[[Status], None] | None) -> None:
        self._role = role
        self._choices = models.choices(role, chosen)
        self._off = models.why_off(role)
        self._waiting = waiting
        self._at = 0
        self._waited = False

    async def current(self) -> tuple[Provider, str]:
        """Raises `NotConfigured` where this choice cannot serve the role."""
        if not self._choices:
            raise NotConfigured(self._off)
        choice = self._choices[self._at]
        await choice.provider.prepare()
        model = choice.model_for(self._role)
        if not model:
            raise NotConfigured(self._off)
        return choice.provider, model

    async def after(self, error: ModelError) -> None:
        """Go on to the next choice, or wait for a busy model if it is the last; raises `error` where all is done."""
        if not error.passes_on:
            raise error
        if self._at + 1 < len(self._choices):
            self._at += 1
            log.warning("next model", role=self._role, after=type(error).__name__)
            return
        if not isinstance(error, Busy) or self._waited:
            raise error
        wait = _UNSAID_WAIT if error.wait is None else error.wait
        if wait > _LONGEST_WAIT:
            raise error
        self._waited = True
        if self._waiting:
            self._waiting(Status("The model is busy; I am waiting for it …"))
        await asyncio.sleep(wait)


def shorter(prompts: Sequence[Prompt]) -> Sequence[Prompt]:
    """Without the older half of the conversation; the instructions and the question stay.

    Where there is nothing before the question, the older half of what tools said to it goes. What a tool was asked and
    what came of it go together: servers refuse the one without the other.
    """
    pieces: list[list[int]] = []
    question = 0  # the piece that holds it
    for index, prompt in enumerate(prompts):
        if prompt.role == "tool" and pieces:
            pieces[-1].append(index)
        elif prompt.role != "system":
            question = len(pieces) if prompt.role == "user" else question
            pieces.append([index])
    droppable = pieces[:question] or pieces[question + 1 : -1]
    dropped = {index for piece in droppable[: -(-len(droppable) // 2)] for index in piece}
    return [prompt for index, prompt in enumerate(prompts) if index not in dropped]
