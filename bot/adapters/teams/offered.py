"""What answers offer: their buttons in the language of who asked, and the words by which each of them is named.

What is newest is in memory; after a restart it is read from what the core keeps with its answers.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bot.adapters.teams.addresses import Addresses
from bot.adapters.teams.newest import keep
from bot.messages import Button, Channel, Message, Reply
from bot.translations import translate
from bot.turns import unpacked

if TYPE_CHECKING:
    from storage import Given, Store

__all__ = ["Offered"]

_REMEMBERED = 2000
_LONGEST = 60  # characters of a label
_LASTING = (Button("regenerate", "Regenerate"), Button("continue", "Continue"), Button("stop", "Stop"))

_Key = tuple[str, str, str]
_Newest = tuple[str, tuple[Button, ...], str]  # the message, its buttons, the language of who asked
_NONE: _Newest = ("", (), "")


class Offered:
    """Remembers who asked in which language, and which buttons stand below the newest answer of a conversation."""

    def __init__(self, store: "Store", addresses: Addresses) -> None:
        self._store = store
        self._addresses = addresses
        self._locales: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._newest: OrderedDict[_Key, _Newest] = OrderedDict()

    def asked(self, channel: Channel, message_id: str, locale: str) -> None:
        """Somebody asks in this language; the answer goes below this message."""
        keep(self._locales, (channel.id, message_id), locale, _REMEMBERED)

    def answered(self, channel: Channel, question: str, message_id: str) -> None:
        """The answer to what was asked with the message `question` is this one."""
        locale = self._locales.get((channel.id, question))
        if locale is not None:
            keep(self._locales, (channel.id, message_id), locale, _REMEMBERED)

    async def locale(self, channel: Channel, message_id: str) -> str:
        """The language of whoever asked for this answer."""
        known = self._locales.get((channel.id, message_id))
        if known is None:
            known = _locale(await self._store.given(channel.key, message_id))
            if not known:
                address = await self._addresses.find(channel)
                known = address.locale if address is not None else ""
            keep(self._locales, (channel.id, message_id), known, _REMEMBERED)
        return known

    async def buttons(self, channel: Channel, message_id: str) -> tuple[Button, ...]:
        """What an answer that was given offers; nothing where it offers nothing any more."""
        return _buttons(await self._store.given(channel.key, message_id))

    async def asker(self, channel: Channel, message_id: str) -> str:
        """The id of whoever asked for an answer that was given; empty where it offers nothing any more."""
        given = await self._store.given(channel.key, message_id)
        return given.person if given is not None else ""

    async def show(self, channel: Channel, message_id: str, reply: Reply) -> None:
        """This is what the answer shows now."""
        if reply.buttons or not reply.running:
            locale = await self.locale(channel, message_id) if reply.buttons else ""
            keep(self._newest, channel.key, (message_id, reply.buttons, locale), _REMEMBERED)

    def gone(self, channel: Channel, message_id: str) -> None:
        """This answer is no longer there."""
        if self._newest.get(channel.key, _NONE)[0] == message_id:
            keep(self._newest, channel.key, (message_id, (), ""), _REMEMBERED)

    async def named(self, message: Message, channel: Channel) -> tuple[str, str] | None:
        """The (message id, action) of the button that a message names: below the answer it quotes, or the newest one.

        Whoever cannot press a button, or finds none, writes its label.
        """
        words = message.text.strip(" .!。！").casefold()
        if not words or len(words) > _LONGEST or message.attachments:
            return None
        newest = self._newest.get(channel.key)
        quote = message.quote if message.quote is not None and message.quote.id else None
        if quote is not None and (newest is None or newest[0] != quote.id):
            given = await self._store.given(channel.key, quote.id)
            named = (quote.id, _buttons(given), _locale(given))
            if given is None and quote.author is not None and quote.author.bot:
                named = (quote.id, _LASTING, "")  # whoever presses these is told that the answer is too old
        else:
            named = await self._latest(channel)
        message_id, buttons, locale = named
        action = _labels(buttons, {locale, message.author.locale}).get(words)
        return (message_id, action) if action else None

    async def newest(self, channel: Channel) -> str:
        """The id of the newest answer here, where it offers something; else nothing."""
        message_id, buttons, _ = await self._latest(channel)
        return message_id if buttons else ""

    async def _latest(self, channel: Channel) -> _Newest:
        found = self._newest.get(channel.key)
        if found is None:
            read = await self._read(channel)
            found = self._newest.get(channel.key)  # what was shown meanwhile is newer
            if found is None:
                found = read
                keep(self._newest, channel.key, found, _REMEMBERED)
        return found

    async def _read(self, channel: Channel) -> _Newest:
        """The newest answer of a conversation, where this process has shown none."""
        found = await self._store.newest_given(channel.key)
        return _NONE if found is None else (found[0], _buttons(found[1]), _locale(found[1]))


def _labels(buttons: Iterable[Button], locales: set[str]) -> dict[str, str]:
    """The actions of buttons, by what is written on them in these languages and in English."""
    spoken = {"", *locales}
    return {translate(each.label, locale).casefold(): each.action for each in buttons for locale in spoken}


def _locale(given: "Given | None") -> str:
    return unpacked(given.question).author.locale if given is not None else ""


def _buttons(given: "Given | None") -> tuple[Button, ...]:
    return tuple(Button(**each) for each in given.buttons) if given is not None else ()
