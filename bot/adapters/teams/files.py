"""The files and buttons that go with an answer: each is a message of its own below it, shown once.

Teams splits a message with both text and something attached, gives no id for it, and refuses to change one into that.
"""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import structlog
from botbuilder.schema import Activity, ActivityTypes
from botbuilder.schema import Attachment as Attached

from bot.adapters.teams.addresses import Address
from bot.adapters.teams.connector import Refused, Unsent
from bot.adapters.teams.consent import Consents
from bot.adapters.teams.playground import is_playground, picture_card
from bot.adapters.teams.sending import PATIENCE, PATIENCE_RUNNING, Sending, carded, written
from bot.markup import clean
from bot.media import MediaError, fit_picture
from bot.messages import Attachment, Channel, Reply
from bot.translations import translate

if TYPE_CHECKING:
    from bot.adapters.teams.cards import Json
    from storage import Store

__all__ = ["Files", "below_name"]

log = structlog.get_logger(__name__)

_SIDE, _LARGEST_PICTURE = 1024, 1_000_000  # the largest picture that Teams shows within a message
_LONGEST_TEXT = 12_000  # bytes of a text file that is shown as text where a file cannot be given
_UNWANTED = (400, 413, 415)
_ELSEWHERE = (
    "I made “{name}” ({size}), but Teams takes files from me only in a personal chat: ask me there, and I will hand it "
    "over."
)
_BUTTONS = "buttons"
_STOP = "stop"  # the same card while the answer is being written


class Files:
    """Shows what goes with an answer, and takes away what no longer does."""

    def __init__(self, sending: Sending, store: "Store", consents: Consents, days: float) -> None:
        self._sending = sending
        self._store = store
        self._consents = consents
        self._days = days  # for which it is remembered what was shown with an answer
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def show(
        self,
        channel: Channel,
        address: Address,
        message_id: str,
        reply: Reply,
        card: "Json | None",
        *,
        more: Sequence[Activity] = (),
        simple: "Json | None" = None,
        fresh: bool = False,
        locale: str = "",
    ) -> None:
        """Show what a reply has and was not shown before, and take away what is no longer in it.

        `more` goes before its files. `simple` is shown where Teams does not take the `card`. Nothing can have been
        shown yet with a message that is `fresh`.
        """
        below, lock = self._below(channel, address, message_id)
        async with lock:
            if not fresh:
                await below.look()
            wanted: dict[str, Callable[[], Awaitable[str]]] = {
                mark: partial(self._sending.send, address, activity, patience=PATIENCE)
                for mark, activity in _marked_texts(more).items()
            }
            for mark, attachment in _marked(reply.attachments).items():
                wanted[mark] = partial(self._file, channel, address, attachment, locale)
            if not reply.running:
                for mark in [mark for mark in below.shown if mark not in wanted and mark not in (_BUTTONS, _STOP)]:
                    await self._consents.withdraw(channel, below.shown[mark])
                    await below.drop(mark)
            for mark in [mark for mark in wanted if mark not in below.shown]:
                try:
                    await below.add(mark, wanted[mark])
                except Unsent as error:
                    raise await self._sending.failure(error, channel, new=True) from None
            if not reply.running:
                await self._buttons(below, address, card, simple)

    async def _buttons(self, below: "_Below", address: Address, card: "Json | None", simple: "Json | None") -> None:
        """Have this card below an answer, or none. That it is missing must never cost the answer."""
        try:
            await below.replace(address, card)
        except Unsent as error:
            log.warning("buttons not shown in teams", reason=str(error))
            if not isinstance(error, Refused) or error.status not in _UNWANTED or simple == card:
                return
            try:
                await below.replace(address, simple)
            except Unsent as again:
                log.warning("buttons not shown in teams", reason=str(again))

    async def offer_stop(self, channel: Channel, address: Address, message_id: str, card: "Json") -> None:
        """Show what stops an answer, if that needs no waiting; it takes the place of buttons. Raises `Unsent`."""
        below, lock = self._below(channel, address, message_id)
        if lock.locked():
            raise Unsent("something else is being shown with this answer")
        async with lock:
            await below.look()
            await below.stop(address, card)

    async def tidy(
        self, channel: Channel, address: Address, message_id: str, card_id: str, card: "Json | None"
    ) -> None:
        """Below an answer that has ended, this card still offered to stop it: put what belongs there in its place."""
        below, lock = self._below(channel, address, message_id)
        async with lock:
            await below.look()
            if below.shown.get(_STOP) == card_id:
                await self._buttons(below, address, card, card)
            elif below.shown.get(_BUTTONS) != card_id:  # a crash came before it was noted
                await self._sending.take_away(address, card_id)

    def _below(self, channel: Channel, address: Address, message_id: str) -> "tuple[_Below, asyncio.Lock]":
        name = _name(channel, message_id)
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = asyncio.Lock()
        return _Below(self._sending, self._store, address, channel, message_id, self._days), lock

    async def forget(self, channel: Channel, address: Address, message_id: str) -> None:
        """Take away everything that was shown with an answer."""
        below, lock = self._below(channel, address, message_id)
        async with lock:
            await below.look()
            for each in list(below.shown):
                await self._consents.withdraw(channel, below.shown[each])
                await below.drop(each)

    async def _file(self, channel: Channel, address: Address, attachment: Attachment, locale: str) -> str:
        """Show a file, or offer it, or say why that cannot be; the id of the message."""
        try:
            if attachment.kind != "image":
                return await self._offer(channel, address, attachment, locale)
            picture = await fit_picture(attachment.data, side=_SIDE, max_bytes=_LARGEST_PICTURE)
            activity = _with_picture(attachment, picture.media_type, picture.data, address)
            return await self._sending.send(address, activity, patience=PATIENCE)
        except (MediaError, Refused) as error:
            if isinstance(error, Refused) and error.status not in _UNWANTED:
                raise
            return await self._offer(channel, address, attachment, locale)

    async def _offer(self, channel: Channel, address: Address, attachment: Attachment, locale: str) -> str:
        """Teams takes a file from a bot only into a person's own OneDrive, in their chat with it, when they agree."""
        if channel.kind == "direct":
            return await self._consents.ask(channel, address, attachment, locale)
        if attachment.kind == "text" and len(attachment.data) <= _LONGEST_TEXT:
            text = clean(attachment.data.decode("utf-8", "replace")).replace("```", "'''")
            return await self._sending.send(
                address, written(f"**{attachment.name}**\n\n```\n{text}\n```"), patience=PATIENCE
            )
        log.info("file not shown in teams", media_type=attachment.media_type, size=len(attachment.data))
        size = f"{max(len(attachment.data), 1) / 1000:,.0f} kB"
        sentence = translate(_ELSEWHERE, locale).format(name=attachment.name, size=size)
        return await self._sending.send(address, written(sentence), patience=PATIENCE)


class _Below:
    """What is shown below one answer, by marks, as it is kept: {mark: message id}."""

    def __init__(
        self, sending: Sending, store: "Store", address: Address, channel: Channel, message_id: str, days: float
    ) -> None:
        self._sending = sending
        self._store = store
        self._address = address
        self._channel = channel
        self._message_id = message_id
        self._days = days
        self._name = _name(channel, message_id)
        self.shown: dict[str, str] = {}

    async def look(self) -> None:
        noted: dict[str, Any] = await self._store.noted("teams", self._name) or {}
        self.shown = dict(noted.get("shown", {}))

    async def add(self, mark: str, send: Callable[[], Awaitable[str]]) -> None:
        """Send something under a mark. Noted first: whatever happens from here on, it is not shown twice."""
        await self.keep({mark: ""})
        try:
            self.shown[mark] = await send()
        except Unsent as error:
            if not error.doubtful:
                await self.keep()
            raise
        await self.keep()
        if shown_id := self.shown[mark]:  # so that who replies to it replies to the answer
            await self._note(below_name(self._channel, shown_id), {"answer": self._message_id})

    async def replace(self, address: Address, card: "Json | None") -> None:
        """Have this card in the place of the one that is shown, or none. Raises `Unsent`."""
        before = self.shown.get(_STOP) or self.shown.get(_BUTTONS)
        if card is None:
            for mark in (_STOP, _BUTTONS):
                if mark in self.shown:
                    await self.drop(mark)
            return
        if before:
            try:
                await self._sending.update(address, before, carded(card), patience=PATIENCE)
            except Refused as error:
                if error.status != 404:  # else somebody has deleted it
                    raise
                before = ""
        # Noted afterwards only, with the next write: buttons that a crash shows twice do no harm.
        before = before or await self._sending.send(address, carded(card), patience=PATIENCE_RUNNING)
        if self.shown.pop(_STOP, None) is not None or self.shown.get(_BUTTONS) != before:
            self.shown[_BUTTONS] = before
            await self.keep(soon=True)

    async def stop(self, address: Address, card: "Json") -> None:
        """Have the card that stops the answer in the place of buttons. Raises `Unsent`."""
        before = self.shown.pop(_BUTTONS, "")
        if before:
            await self._sending.update(address, before, carded(card), patience=0)
        self.shown[_STOP] = before or await self._sending.send(address, carded(card), patience=0)
        try:
            await self.keep()
        except Exception:  # what is forgotten would stay behind for ever
            await self._sending.take_away(address, self.shown[_STOP])
            raise

    async def drop(self, mark: str) -> None:
        """Take something away."""
        shown_id = self.shown.pop(mark)
        await self._sending.take_away(self._address, shown_id)
        if shown_id and mark not in (_BUTTONS, _STOP):
            await self._store.unnote("teams", below_name(self._channel, shown_id))
        await self.keep()

    async def keep(self, more: "dict[str, str] | None" = None, *, soon: bool = False) -> None:
        """Remember what is shown, and `more`; `soon`, where a crash may lose it."""
        shown = self.shown | (more or {})
        if not shown:
            await self._store.unnote("teams", self._name)
            return
        await self._note(self._name, {"shown": shown}, soon=soon)

    async def _note(self, name: str, value: "Json", *, soon: bool = False) -> None:
        await self._store.note(
            "teams",
            name,
            value,
            days=self._days,
            tenant=self._channel.tenant,
            channel=self._channel.id,
            message=self._message_id,
            soon=soon,
        )


def below_name(channel: Channel, shown_id: str) -> str:
    """Under which name it is kept below which answer something is shown: {"answer": message id}."""
    return f"below {channel.tenant} {channel.id} {shown_id}"


def _name(channel: Channel, message_id: str) -> str:
    """Under which name it is kept what was shown with a message: {mark: message id}."""
    return f"files {channel.tenant} {channel.id} {message_id}"


def _marked(attachments: Sequence[Attachment]) -> dict[str, Attachment]:
    """Each file under a mark by which it is known again; the same file twice has two."""
    marked: dict[str, Attachment] = {}
    for attachment in attachments:
        digest = hashlib.sha256(attachment.data).hexdigest()[:32]
        number = sum(mark.startswith(digest) for mark in marked)
        marked[f"{digest} {number}"] = attachment
    return marked


def _marked_texts(texts: Sequence[Activity]) -> dict[str, Activity]:
    """Each message of text under a mark by which it is known again."""
    return {
        f"text {number} {hashlib.sha256(activity.text.encode('utf-8', 'replace')).hexdigest()[:32]}": activity
        for number, activity in enumerate(texts)
    }


def _with_picture(attachment: Attachment, media_type: str, content: bytes, address: Address) -> Activity:
    where, alt = f"data:{media_type};base64,{base64.b64encode(content).decode()}", attachment.alt or attachment.name
    if is_playground(address.service_url):
        return carded(picture_card(where, alt))
    attached = Attached(content_type=media_type, content_url=where, name=alt)
    return Activity(type=ActivityTypes.message, attachments=[attached])
