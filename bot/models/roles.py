"""Which model serves which role."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import structlog

from bot.messages import Status
from bot.models.errors import NotConfigured
from bot.models.prices import Prices, Tokens
from bot.models.provider import Provider, Role, Usage

if TYPE_CHECKING:
    from bot.models.turn import TurnModels

__all__ = ["Choice", "Chosen", "Models"]

log = structlog.get_logger(__name__)

Chosen = Mapping[Role, str]  # for a role, the name of one of the models that are allowed there: "provider:model"
_NONE: Chosen = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Choice:
    """A model of a provider; `model` may be empty: then the provider's own for the role."""

    provider: Provider
    model: str = ""

    def model_for(self, role: Role) -> str:
        return self.model or self.provider.model_for(role)

    def named(self, role: Role) -> str:
        """Its name as "provider:model"; `""` where it does not serve the role."""
        model = self.model_for(role)
        return f"{self.provider.name}:{model}" if model else ""


class Models:
    """The models of this installation. There is one of these in a process; what it holds may be replaced.

    `roles` lists for each role what to ask, in this order. `off` says of a role that nobody serves why that is and
    which one thing to set. `offered` are further models that moderators may choose. `prices` are those that providers
    go by, `tokens` how their models have been seen counting.
    """

    def __init__(
        self,
        roles: Mapping[Role, Sequence[Choice]],
        *,
        off: Mapping[Role, str] | None = None,
        offered: Mapping[Role, Sequence[Choice]] | None = None,
        prices: Prices | None = None,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._roles = {role: tuple(choices) for role, choices in roles.items()}
        self._off = dict(off or {})
        self._offered = {role: tuple(choices) for role, choices in (offered or {}).items()}
        self._close = close
        self._prices = prices
        self.tokens = Tokens()

    @property
    def providers(self) -> tuple[Provider, ...]:
        """Everyone who serves a role, each once."""
        every = (*self._roles.values(), *self._offered.values())
        return tuple(dict.fromkeys(choice.provider for choices in every for choice in choices))

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that are known here, served or not."""
        return tuple(dict.fromkeys((*self._roles, *self._off)))

    @property
    def notices(self) -> tuple[str, ...]:
        """What has to be said of these models wherever they are used."""
        return tuple(dict.fromkeys(provider.notice for provider in self.providers if provider.notice))

    def serves(self, role: Role) -> bool:
        """Whether somebody serves this role, as far as is known now."""
        return any(choice.model_for(role) for choice in self._roles.get(role, ()))

    def describe(self) -> dict[Role, str]:
        """For each role "label: model", or why it is off and the one thing to set."""
        said: dict[Role, str] = {}
        for role in self.roles:
            named = [f"{c.provider.label}: {c.model_for(role)}" for c in self._roles.get(role, ()) if c.model_for(role)]
            said[role] = ", then ".join(named) if named else self.why_off(role)
        return said

    def why_off(self, role: Role) -> str:
        """Why nobody serves this role, and the one thing to set."""
        return self._off.get(role) or str(NotConfigured())

    def allowed(self, role: Role) -> tuple[str, ...]:
        """The models that moderators may choose for a role, as "provider:model"; the first is used without a choice."""
        return tuple(dict.fromkeys(name for choice in self._allowed(role) if (name := choice.named(role))))

    def choices(self, role: Role, chosen: Chosen = _NONE) -> tuple[Choice, ...]:
        """What to ask for a role, in this order: the one that was chosen, where it is allowed, then the usual ones.

        One that was chosen for chatting also looks at pictures, where it can and no other is named for that.
        """
        usual = self._roles.get(role, ())
        wanted = chosen.get(role, "")
        if not wanted and role == "vision" and self._same_for_vision():
            wanted = chosen.get("chat", "")
        if not wanted:
            return usual
        found = next((choice for choice in self._allowed(role) if choice.named(role) == wanted), None)
        if found is None:
            log.info("chosen model is not allowed", role=role)
            return usual
        return (found, *(choice for choice in usual if choice.named(role) != wanted))

    def cost(self, usage: Usage) -> int | None:
        """What a call has cost, in micro-dollars; `None` where nobody knows."""
        if usage.cost is not None:
            return usage.cost
        return next((each.cost(usage) for each in self.providers if each.name == usage.provider), None)

    def reserve(self, guess: Usage, chosen: Chosen = _NONE) -> int | None:
        """What a call may cost in micro-dollars, with the dearest model that may be asked; `None` where nobody knows.

        `guess` is what it may use at most.
        """
        costs = []
        for choice in self.choices(guess.role, chosen):
            if model := choice.model_for(guess.role):
                tokens = self.tokens.count(choice.provider.name, model, guess.input_tokens)
                used = replace(guess, provider=choice.provider.name, model=model, input_tokens=tokens)
                costs.append(choice.provider.cost(used))
        known = [cost for cost in costs if cost is not None]
        return max(known, default=0) if len(known) == len(costs) else None

    async def know_prices(self) -> None:
        """Load what prices are looked up in, in a thread. Quick when that is done."""
        if self._prices is not None and not all(provider.free for provider in self.providers):
            await self._prices.load()

    def for_turn(
        self,
        record: Callable[[Usage], None],
        before: Callable[[Usage], Awaitable[None]],
        waiting: Callable[[Status], None] | None = None,
        *,
        chosen: Chosen = _NONE,
    ) -> "TurnModels":
        """The models for one turn.

        `before` is awaited before each call, with what that may use at most, and may refuse it by raising; `record` is
        told what each call used; `waiting`, where given, is told what to show while a busy model is waited for.
        `chosen` are the models to use here before others.
        """
        from bot.models.turn import TurnModels

        return TurnModels(self, record, before, waiting, chosen=chosen)

    async def warm(self) -> None:
        """Do now what would otherwise make the first question slow. What fails will be tried again at first need."""
        await asyncio.gather(self.know_prices(), *(provider.prepare() for provider in self.providers))

    def replace(self, other: "Models") -> "Models":
        """Use what `other` holds from the next request on. Returns what was used before, to be closed when the answers
        that it is still giving are over.
        """
        before, tokens = copy(self), self.tokens
        vars(self).update(vars(other), tokens=tokens)
        return before

    async def close(self) -> None:
        for provider in self.providers:
            await provider.close()
        if self._close:
            await self._close()

    def _allowed(self, role: Role) -> tuple[Choice, ...]:
        offered = self._offered.get(role, ())
        if role == "vision" and self._same_for_vision():
            offered = (*offered, *self._offered.get("chat", ()))
        return (*self._roles.get(role, ()), *offered)

    def _same_for_vision(self) -> bool:
        return self._roles.get("vision", ()) == self._roles.get("chat", ())
