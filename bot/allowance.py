"""Who may ask how much, and who pays: quotas and budgets, counted in memory and known again after a restart.

This process is the only one that answers, so it reads once what a person or a community has used of late, and counts
from there.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from bot.budget import DAY, HOUR, MICRO, MINUTE, Meter, Quotas, in_words, stand_in
from bot.errors import UserError
from bot.messages import Message
from bot.models import Usage
from storage import Store, Used

__all__ = ["Allowance", "Spending"]

log = structlog.get_logger(__name__)

_ACCOUNTS = 20_000  # kept in memory
_Key = tuple[str, ...]


@dataclass(slots=True)
class Account:
    """What a person, a community or everybody has used."""

    minute: Meter = field(default_factory=lambda: Meter(MINUTE))  # turns
    hour: Meter = field(default_factory=lambda: Meter(HOUR))
    day: Meter = field(default_factory=lambda: Meter(DAY))
    pictures: Meter = field(default_factory=lambda: Meter(DAY))
    sound: Meter = field(default_factory=lambda: Meter(DAY))  # seconds
    money: Meter = field(default_factory=lambda: Meter(DAY))  # micro-dollars

    def turn(self, ago: float = 0.0) -> None:
        for meter in (self.minute, self.hour, self.day):
            meter.add(1, ago=ago)

    def used(self, pictures: int, seconds: float, cost: int, ago: float = 0.0) -> None:
        self.pictures.add(pictures, ago=ago)
        self.sound.add(round(seconds), ago=ago)
        self.money.add(cost, ago=ago)


class Allowance:
    """What may be asked and spent here. `quotas` may be replaced while it runs."""

    def __init__(self, store: Store, quotas: Quotas | None = None) -> None:
        self._store = store
        self.quotas = quotas or Quotas()
        self._accounts: OrderedDict[_Key, asyncio.Task[Account]] = OrderedDict()

    def expect(self, message: Message) -> None:
        """A question is on its way: begin to read what has to be known when its turn comes."""
        if not message.author.operator:
            for key in _keys(message):
                self._opened(key)

    async def admit(self, message: Message, chosen: Mapping[str, Any]) -> str:
        """Count a turn; or count nothing, and say why there is none now and when there will be.

        `chosen` is what moderators have lowered here.
        """
        if message.author.operator:
            return ""
        person, *communities = [await self._account(key) for key in _keys(message)]
        quotas = self._quotas_of(message, chosen)
        why = _too_many(person, communities[0] if len(communities) > 1 else None, quotas)
        if not why:
            for account in (person, *communities[:-1]):
                account.turn()
        return why

    async def book(self, message: Message, cost: int) -> None:
        """Something was paid for by a process that is gone. Await this before it is written down for good."""
        _, *payers = [await self._account(key) for key in _keys(message)]
        for payer in payers:
            payer.money.add(cost)

    async def spending(self, message: Message, chosen: Mapping[str, Any]) -> "Spending":
        """What one turn may use, and who pays for it."""
        accounts = [await self._account(key) for key in _keys(message)]
        quotas = None if message.author.operator else self._quotas_of(message, chosen)
        return Spending(accounts, quotas)

    def _quotas_of(self, message: Message, chosen: Mapping[str, Any]) -> Quotas:
        quotas = self.quotas.lowered(chosen)
        return quotas.halved() if message.author.new else quotas

    async def _account(self, key: _Key) -> Account:
        return await asyncio.shield(self._opened(key))

    def _opened(self, key: _Key) -> "asyncio.Task[Account]":
        opened = self._accounts.get(key)
        if opened is None or (opened.done() and (opened.cancelled() or opened.exception())):
            opened = self._accounts[key] = asyncio.create_task(self._open(key), name="account")
            if len(self._accounts) > _ACCOUNTS:
                self._drop_one()
        self._accounts.move_to_end(key)
        return opened

    def _drop_one(self) -> None:
        """Of those that have nothing held back just now, the one used least recently is read again when needed."""
        for key, opened in self._accounts.items():
            if opened.done() and not any(meter.held for meter in _meters(opened.result())):
                del self._accounts[key]
                return

    async def _open(self, key: _Key) -> Account:
        """An account with what is in the database. Where that cannot be read, it begins empty."""
        now, account = datetime.now(UTC), Account()
        day, hour = now - timedelta(seconds=DAY), now - timedelta(seconds=HOUR)
        turns: list[datetime] = []
        used: list[Used] = []
        try:
            match key:
                case ("person", platform, person):
                    turns, used = await asyncio.gather(
                        self._store.turns_of(platform, person, day, self.quotas.turns_per_day),
                        self._store.used_by(platform, person, day),
                    )
                case ("community", platform, tenant):
                    turns, used = await asyncio.gather(
                        self._store.turns_in(platform, tenant, hour, self.quotas.community_turns_per_hour),
                        self._store.used_in(platform, tenant, day),
                    )
                case _:
                    used = await self._store.used_by_all(day)
        except Exception:
            log.exception("what was used before could not be read")
        for at in turns:
            account.turn((now - at).total_seconds())
        for each in used:
            account.used(each.pictures, each.seconds, each.cost, (now - each.at).total_seconds())
        return account


class Spending:
    """What one turn uses: held back before it is used, and settled when the turn is over.

    `reserved` is what it may cost in all as far as is known, in micro-dollars.
    """

    def __init__(self, accounts: list[Account], quotas: Quotas | None) -> None:
        self._person, self._payers = accounts[0], accounts[1:]
        self._quotas = quotas
        self._pictures = self._seconds = self._spent = 0
        self._listening = False  # what was begun is heard to its end: half a recording is of no use to anybody
        self.reserved = 0

    def hold(self, guess: Usage, cost: int) -> None:
        """Hold back what a call may use and cost. Raises `UserError` when that would be too much."""
        seconds = round(guess.seconds)
        more = max(0, self._spent + cost - self.reserved)
        if self._quotas is not None:
            self._refuse(guess.pictures, seconds, more, self._quotas)
        self._pictures += guess.pictures
        self._seconds += seconds
        self._listening = self._listening or seconds > 0
        self._person.pictures.held += guess.pictures
        self._person.sound.held += seconds
        self.reserved += more
        for payer in self._payers:
            payer.money.held += more

    def spend(self, usage: Usage) -> None:
        """A call has used so much."""
        self._person.used(usage.pictures, usage.seconds, 0)
        self._person.pictures.held -= min(usage.pictures, self._pictures)
        self._pictures -= min(usage.pictures, self._pictures)
        self._person.sound.held -= min(round(usage.seconds), self._seconds)
        self._seconds -= min(round(usage.seconds), self._seconds)
        self._spent += stand_in(usage) if usage.cost is None else usage.cost

    def settle(self) -> None:
        """The turn is over: what was held back is free again but for what was spent."""
        self._person.pictures.held -= self._pictures
        self._person.sound.held -= self._seconds
        for payer in self._payers:
            payer.money.held -= self.reserved
            payer.money.add(self._spent)
        self._pictures = self._seconds = self._spent = self.reserved = 0

    def _refuse(self, pictures: int, seconds: int, cost: int, quotas: Quotas) -> None:
        person, most = self._person, quotas.audio_minutes_per_day * 60
        if pictures and not person.pictures.allows(pictures, quotas.pictures_per_day):
            again = _again(person.pictures, pictures, quotas.pictures_per_day)
            raise UserError(f"I may draw {quotas.pictures_per_day} pictures a day for you. {again}")
        if seconds and not self._listening and not person.sound.allows(1, most):
            again = _again(person.sound, 1, most)
            raise UserError(f"I may listen to {quotas.audio_minutes_per_day} minutes a day for you. {again}")
        if not cost:
            return
        caps = [("this community", quotas.community_dollars_per_day), ("everybody", quotas.dollars_per_day)]
        for payer, (whose, dollars) in zip(self._payers, caps[-len(self._payers) :], strict=True):
            if not payer.money.allows(cost, round(dollars * MICRO)):
                log.warning("the budget of the day is used up", whose=whose, dollars=dollars)
                again = _again(payer.money, cost, round(dollars * MICRO))
                raise UserError(f"What may be spent on models in a day for {whose} is used up. {again}")


def _keys(message: Message) -> list[_Key]:
    """Whose accounts a turn is on: the person's, the community's if there is one, and everybody's."""
    channel = message.channel
    keys: list[_Key] = [("person", channel.platform, message.author.id)]
    if channel.tenant and channel.kind != "direct":
        keys.append(("community", channel.platform, channel.tenant))
    return [*keys, ("all",)]


def _meters(account: Account) -> tuple[Meter, ...]:
    return (account.pictures, account.sound, account.money)


def _too_many(person: Account, community: Account | None, quotas: Quotas) -> str:
    """Why there is no turn now, and when there will be; empty when there is."""
    for meter, most, span in (
        (person.minute, quotas.turns_per_minute, "a minute"),
        (person.day, quotas.turns_per_day, "a day"),
    ):
        if not meter.allows(1, most):
            return f"You may ask me {most} times {span}, and you have. {_again(meter, 1, most)}"
    most = quotas.community_turns_per_hour
    if community is not None and not community.hour.allows(1, most):
        return f"I may answer {most} questions an hour in this community, and I have. {_again(community.hour, 1, most)}"
    return ""


def _again(meter: Meter, amount: int, most: int) -> str:
    seconds = meter.wait(amount, most)
    return f"Please ask again in {in_words(seconds)}." if seconds < DAY * 2 else "That is too little for this."
