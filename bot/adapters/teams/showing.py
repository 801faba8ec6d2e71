"""How an answer is shown: its text as one message that grows in place, what goes with it in messages of their own."""

import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import structlog
from botbuilder.schema import Activity, ActivityTypes, CardAction, SuggestedActions

from bot.adapter import Gone, PostFailed
from bot.adapters.teams.addresses import Address, Addresses
from bot.adapters.teams.cards import row, stop, table, weight
from bot.adapters.teams.connector import Refused, Unsent
from bot.adapters.teams.entities import label
from bot.adapters.teams.files import Files
from bot.adapters.teams.markdown import shown, wide_tables
from bot.adapters.teams.newest import keep
from bot.adapters.teams.offered import Offered
from bot.adapters.teams.sending import PATIENCE, PATIENCE_RUNNING, Doubtful, Sending, written
from bot.adapters.teams.stops import Stops
from bot.adapters.teams.streams import Ended, Streams
from bot.markup import length, split
from bot.messages import Channel, Reply

__all__ = ["Showing"]

log = structlog.get_logger(__name__)

_REMEMBERED = 1000
_MOST_DOUBTS = 2  # first sights of an answer that may have been shown, after which only its end is tried
_UNNAMED = "unnamed-"  # begins the id of a message to which Teams gave none
_NOT_TAKEN = "I have an answer to this, but Teams does not take it from me. Please ask again, perhaps in other words."
# Bytes of UTF-16, as Teams counts: less than the 28 KB of a card and the 80 KB of a message, with all that is around.
_LARGEST_TABLES, _LARGEST_TEXT = 22_000, 70_000
_LEAST_ROOM = 200  # characters: what is too long even so is too long for another reason


class Showing:
    """Posts, edits and typing signs in the conversations that were heard from.

    `canceled` is told when a person stops an answer with Teams' own button. `sensitivity` is shown with every answer.
    """

    def __init__(
        self,
        sending: Sending,
        addresses: Addresses,
        files: Files,
        offered: Offered,
        canceled: Callable[[Channel, str], Awaitable[None]],
        *,
        sensitivity: str = "",
    ) -> None:
        self._sending = sending
        self._addresses = addresses
        self._files = files
        self._offered = offered
        self._streams = Streams(sending, canceled)
        self._stops = Stops(self._streams.runs, self._offer_stop)
        self._sensitivity = sensitivity
        self._posted: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._rooms: OrderedDict[tuple[str, str], int] = OrderedDict()  # characters of a message that was too long
        self._fresh: OrderedDict[tuple[str, str], None] = OrderedDict()  # messages with which nothing was shown yet
        self._doubts: OrderedDict[tuple[str, str], int] = OrderedDict()  # posts that may have arrived, by attempt
        self._said: OrderedDict[tuple[str, str], str] = OrderedDict()  # what was said whole where nothing has a name
        self._bare: OrderedDict[tuple[str, str], bool] = OrderedDict()  # what was posted, but not yet as a whole

    async def post(self, channel: Channel, reply: Reply, *, answers: str, nonce: str) -> str:
        """Show an answer; the id of the message with its text. Raises `PostFailed` or `Gone`."""
        attempt = (channel.id, nonce)
        message_id, again = self._posted.get(attempt), attempt in self._posted
        address = await self._sending.address(channel)
        if apart := await self._addresses.apart(channel):
            address = replace(address, conversation=channel.parent)
        if message_id is None:
            message_id = await self._first(channel, address, reply, "" if apart else answers, nonce)
            keep(self._posted, attempt, message_id, _REMEMBERED)  # what follows may fail, and this is asked for again
            keep(self._fresh, (channel.id, message_id), None, _REMEMBERED)
            self._offered.answered(channel, answers, message_id)
        if apart:
            await self._addresses.moved(channel, message_id)
            address = replace(address, conversation=f"{channel.parent};messageid={message_id}")
        if again and attempt not in self._bare:
            await self.edit(channel, message_id, reply)  # what was shown of it before something failed may be another
            return message_id
        if not reply.running and self._bare.get(attempt):
            await self._put(channel, address, message_id, reply)
            self._bare.pop(attempt, None)
        await self._rest(channel, address, message_id, reply)
        return message_id

    async def edit(self, channel: Channel, message_id: str, reply: Reply) -> None:
        """Change what an answer shows. Raises `PostFailed` or `Gone`."""
        if not reply.running:
            await self._stops.end(channel, message_id)
        address = await self._address(channel, message_id)
        if self._is_unnamed(address, message_id):
            if reply.running:
                return  # it cannot be changed; the whole is said anew
            await self._put(channel, address, message_id, reply)
        elif reply.running:
            try:
                grown = await self._streams.grow(channel, address, message_id, reply)
            except Unsent as error:
                raise await self._sending.failure(error, channel, new=False) from None
            if not grown:
                await self._change(channel, address, message_id, reply)
        else:
            stopped = self._streams.stopped(channel, message_id)
            room = self._rooms.get((channel.id, message_id), 0)
            ended = await self._streams.end(channel, address, message_id, self._message(reply, room))
            if ended != "shown":
                await self._change(channel, address, message_id, reply, ended=ended, stopped=stopped)
        await self._rest(channel, address, message_id, reply)

    async def _first(self, channel: Channel, address: Address, reply: Reply, answers: str, nonce: str) -> str:
        """The first sight of an answer, which does no harm if it is seen twice: nothing tells whether a post arrived
        whose answer was lost. What is whole already follows as a change of it.
        """
        attempt = (channel.id, nonce)
        doubts = self._doubts.get(attempt, 0)
        if reply.running and doubts >= _MOST_DOUBTS:
            raise Gone("the beginning of this answer may have been shown; the whole is shown when it is there")
        whole = not reply.running
        if whole or doubts:
            reply = Reply("…", running=True, status=True)
        try:
            if whole:
                message_id = await self._text(channel, address, reply, answers=answers, patience=PATIENCE)
            else:
                message_id = await self._begin(channel, address, reply, answers)
        except Doubtful:
            keep(self._doubts, attempt, doubts + 1, _REMEMBERED)
            raise
        if whole:
            keep(self._bare, attempt, True, _REMEMBERED)
        if not message_id:
            log.warning("teams gave no name to a message")
        return message_id or f"{_UNNAMED}{nonce}"

    async def _put(self, channel: Channel, address: Address, message_id: str, reply: Reply) -> None:
        """Put the whole of an answer in the place of a first sight that is no stream."""
        if self._is_unnamed(address, message_id):
            if self._said.get((channel.id, message_id)) == reply.text:
                return
            first = Reply("…", running=True, status=True)
            other = await self._text(channel, address, first, patience=PATIENCE)
            if not other:  # nothing has a name here, so nothing can be changed
                with contextlib.suppress(Doubtful):  # it may have been shown, and twice would be worse
                    await self._text(channel, address, reply)
                keep(self._said, (channel.id, message_id), reply.text, _REMEMBERED)
                return
            self._streams.rename(address, message_id, other)
        await self._change(channel, address, message_id, reply)

    def _is_unnamed(self, address: Address, message_id: str) -> bool:
        return message_id.startswith(_UNNAMED) and self._streams.really(address, message_id) == message_id

    async def remove(self, channel: Channel, message_id: str) -> None:
        """Delete an answer with its files; one that is not there any more is deleted. Raises `PostFailed` or `Gone`."""
        await self._stops.end(channel, message_id)
        address = await self._address(channel, message_id)
        await self._files.forget(channel, address, message_id)
        attempts = [each for each, other in self._posted.items() if each[0] == channel.id and other == message_id]
        for attempt in attempts:
            del self._posted[attempt]
        self._offered.gone(channel, message_id)
        self._streams.drop(channel, message_id)
        try:
            await self._sending.delete(address, self._streams.really(address, message_id))
        except Unsent as error:
            if not isinstance(error, Refused) or error.status not in (404, 410):
                raise await self._sending.failure(error, channel, new=False) from None

    async def tidy(self, channel: Channel, message_id: str, card_id: str) -> None:
        """Somebody pressed what should have stopped an answer: unless it goes on, that is not there any more."""
        if self._stops.watches(channel, message_id):
            return
        with contextlib.suppress(PostFailed, Unsent):
            address = await self._address(channel, message_id)
            buttons = await self._offered.buttons(channel, message_id)
            card = row(buttons, message_id, await self._offered.locale(channel, message_id))
            await self._files.tidy(channel, address, message_id, card_id, card)

    async def close(self) -> None:
        """Show nothing more by oneself."""
        await self._stops.close()

    async def _offer_stop(self, channel: Channel, message_id: str) -> None:
        self._fresh.pop((channel.id, message_id), None)
        address = await self._address(channel, message_id)
        card = stop(message_id, await self._offered.locale(channel, message_id))
        await self._files.offer_stop(channel, address, message_id, card)

    async def typing(self, channel: Channel) -> None:
        """Show that the bot is at work, if that needs no waiting."""
        try:
            address = await self._sending.address(channel)
            await self._sending.send(address, Activity(type=ActivityTypes.typing), patience=0)
        except Exception as error:  # noqa: BLE001 - a sign that is missing must never cost the answer
            log.debug("typing sign not shown", error=type(error).__name__)

    async def tell(self, channel: Channel, text: str, suggestions: tuple[str, ...] = ()) -> None:
        """Say something of the bot's own here, once; in a personal chat with things to say in return."""
        try:
            address = await self._sending.address(channel)
            activity = written(text)
            if suggestions and channel.kind == "direct":
                activity.suggested_actions = SuggestedActions(
                    to=[], actions=[CardAction(type="imBack", title=each, value=each) for each in suggestions]
                )
            await self._sending.send(address, activity, patience=PATIENCE)
        except (PostFailed, Unsent) as error:
            log.warning("a word of the bot's own was not shown", reason=str(error))

    async def _address(self, channel: Channel, message_id: str) -> Address:
        """Where a message of the bot's is; raises `Gone`."""
        address, place = await self._sending.address(channel), await self._addresses.place(channel, message_id)
        if place == channel.id:
            return address
        return replace(address, conversation=f"{place};messageid={message_id}")

    async def _begin(self, channel: Channel, address: Address, reply: Reply, answers: str) -> str:
        """The first sight of an answer: as a stream where that can be."""
        if reply.running and channel.kind == "direct":
            try:
                message_id = await self._streams.begin(channel, address, reply, answers=answers)
            except Unsent as error:
                raise await self._sending.failure(error, channel, new=True) from None
            if message_id is not None:
                return message_id
        return await self._text(channel, address, reply, answers=answers)

    async def _change(
        self,
        channel: Channel,
        address: Address,
        message_id: str,
        reply: Reply,
        *,
        ended: Ended = "none",
        stopped: bool = False,
    ) -> None:
        """Put the text of a reply into its message, which may be a stream that an earlier process left open."""
        try:
            await self._text(channel, address, reply, message_id=message_id)
        except _Refusal as refusal:
            code = refusal.cause.code
            if stopped or "canceled" in code:
                log.info("what was stopped stays as it is", reason=str(refusal.cause))
                return
            absent = refusal.cause.status == 404 and channel.kind == "direct" and not reply.running
            if absent and ended == "refused":
                # The stream has left nothing that could be changed.
                self._streams.rename(address, message_id, await self._text(channel, address, reply))
                return
            if _is_odd(refusal.cause) and not reply.running:
                await self._say_anew(address, message_id, reply)
                return
            left_open = code.startswith("ContentStream") or (absent and message_id not in self._posted.values())
            if not left_open or reply.running or ended != "none":
                raise await self._sending.failure(refusal.cause, channel, new=False) from None
            if await self._streams.finish(address, message_id, self._message(reply)) == "shown":
                return
            raise await self._sending.failure(refusal.cause, channel, new=False) from None

    async def _say_anew(self, address: Address, message_id: str, reply: Reply) -> None:
        """Teams lets this message be changed into nothing: say the whole in a new one, or at last that there is one.

        Raises `Gone` where that is all that can be done.
        """
        for activity in (self._message(reply), written(_NOT_TAKEN)):
            try:
                other = await self._sending.send(address, activity, patience=PATIENCE)
            except Unsent as error:
                if not isinstance(error, Refused) or error.doubtful:
                    raise Gone(str(error)) from None  # it may have been shown
                continue
            await self._sending.take_away(address, self._streams.really(address, message_id))
            self._streams.rename(address, message_id, other)
            return
        raise Gone("Teams takes no form of this answer")

    async def _rest(self, channel: Channel, address: Address, message_id: str, reply: Reply) -> None:
        """What stands below the text."""
        await self._offered.show(channel, message_id, reply)
        if reply.running:
            if any(each.action == "stop" for each in reply.buttons):
                self._stops.watch(channel, message_id)
            if not reply.attachments:
                return  # it comes at the end
        card = simple = None
        locale = await self._offered.locale(channel, message_id) if reply.buttons or reply.attachments else ""
        if not reply.running:
            tables = _tables(reply.text)
            card = row(reply.buttons, message_id, locale, tables)
            simple = row(reply.buttons, message_id, locale) if tables else card
        fresh = (channel.id, message_id) in self._fresh
        more = self._more(reply, self._rooms.get((channel.id, message_id), 0))
        if fresh and not reply.attachments and not more and card is None:
            return
        self._fresh.pop((channel.id, message_id), None)
        await self._files.show(
            channel, address, message_id, reply, card, more=more, simple=simple, fresh=fresh, locale=locale
        )

    async def _text(
        self,
        channel: Channel,
        address: Address,
        reply: Reply,
        *,
        message_id: str = "",
        answers: str = "",
        patience: float = 0.0,
    ) -> str:
        """Post the text of a reply, or put it into the message `message_id`, where a refusal raises `_Refusal`.

        What Teams does not take as it is, is said with less.
        """
        patience = patience or (PATIENCE_RUNNING if reply.running else PATIENCE)
        room = self._rooms.get((channel.id, message_id), 0)
        instead: Activity | None = None
        less = [] if reply.running else [_only_words(reply), written(_NOT_TAKEN)]
        while True:
            activity = instead or self._message(reply, room)
            try:
                if weight(activity.text) > _LARGEST_TEXT:
                    raise Refused(413)
                if message_id:
                    place = self._streams.really(address, message_id)
                    await self._sending.update(address, place, activity, patience=patience)
                else:
                    message_id = await self._sending.send(address, activity, answers=answers, patience=patience)
            except Refused as error:
                narrower = (room or length(_text_of(reply))) // 2
                if error.status == 413 and narrower >= _LEAST_ROOM and instead is None:
                    log.info("a text is too long for teams", characters=room or length(_text_of(reply)))
                    room = narrower
                    continue
                if less and _is_odd(error):
                    instead, room = less.pop(0), 0
                    continue
                if message_id:
                    raise _Refusal(error) from None
                raise await self._sending.failure(error, channel, new=True) from None
            except Unsent as error:
                raise await self._sending.failure(error, channel, new=not message_id) from None
            if room:
                keep(self._rooms, (channel.id, message_id), room, _REMEMBERED)
            return message_id

    def _message(self, reply: Reply, room: int = 0) -> Activity:
        """The text of a reply as a message; when it is finished, with all that Teams shows around an answer.

        With `room` it is only the beginning, of so many characters at most: `_more` is the rest.
        """
        text = _text_of(reply)
        activity = written(shown(split(text, room)[0] if room else text, reply.footer))
        if not reply.running:
            activity.entities = [label(reply.text, self._sensitivity)]
            if any(each.action in ("good", "bad") for each in reply.buttons):
                activity.channel_data = {"feedbackLoop": {"type": "default"}}
        return activity

    def _more(self, reply: Reply, room: int) -> list[Activity]:
        """What did not fit into the message itself, as messages of their own below it."""
        if not room or reply.running:
            return []
        more = [written(shown(piece)) for piece in split(_text_of(reply), room)[1:]]
        for activity in more:
            activity.entities = [label("", self._sensitivity)]
        return more


def _is_odd(refused: Refused) -> bool:
    """Whether it is the message itself that Teams does not take."""
    return refused.status in (400, 413, 422) and not refused.code.startswith("ContentStream")


def _only_words(reply: Reply) -> Activity:
    """A reply without anything around it."""
    return Activity(type=ActivityTypes.message, text=_text_of(reply) or reply.footer, text_format="plain")


class _Refusal(Exception):
    """Teams does not take a change."""

    def __init__(self, cause: Refused) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _text_of(reply: Reply) -> str:
    """Never empty: a message without text could not be edited, and Teams refuses it."""
    if reply.text.strip():
        return reply.text
    if reply.attachments:
        return "\n".join(each.alt or each.name for each in reply.attachments)
    return "" if reply.footer.strip() else "…"


def _tables(text: str) -> list[dict[str, Any]]:
    """The tables that are too wide for a text, as far as they fit into a card."""
    found: list[dict[str, Any]] = []
    room = _LARGEST_TABLES
    for rows in wide_tables(text):
        one = table(rows)
        heavy = weight(one)
        if heavy <= room:
            found.append(one)
            room -= heavy
    return found
