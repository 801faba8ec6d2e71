"""Answers that grow letter by letter in a personal chat: Teams' own streaming, and what to do where it ends early.

A stream begins with a sign of what is being done, grows by texts that each contain the one before, and ends with the
whole message. Whatever goes wrong with one, its message can be changed like any other: nothing is left hanging.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import structlog
from botbuilder.schema import Activity, ActivityTypes

from bot.adapters.teams.addresses import Address
from bot.adapters.teams.connector import Refused, Unsent
from bot.adapters.teams.entities import stream
from bot.adapters.teams.markdown import shown
from bot.adapters.teams.newest import keep
from bot.adapters.teams.sending import PATIENCE, PATIENCE_RUNNING, Sending
from bot.messages import Channel, Reply

__all__ = ["Ended", "Streams", "settled"]

log = structlog.get_logger(__name__)

_LONGEST_SIGN = 1000
_SECONDS = 105.0  # Teams ends a stream after two minutes
_KEPT = 1000
_REFUSED = "ContentStreamNotAllowed"
_MARK = re.compile(
    r"[-_*=`~\s]*|\s*(?:\d{1,9}[.)]?|\+)\s*"
)  # perhaps a fence closed only for show, or an item's beginning
_OPEN = re.compile(r"!?\[[^\[\]]*(?:\](?=$|[(\[:])[^)]*)?$|!?<[^<>]*$|!?$")  # what may yet become a link or a tag


# A message that is no stream (any more); whose end is shown, surely refused, or perhaps shown.
Ended = Literal["none", "shown", "refused", "doubtful"]


@dataclass(slots=True)
class _Stream:
    began: float
    sequence: int = 1
    said: str = ""
    sign: str = ""
    canceled: bool = False


class Streams:
    """The answers that are being streamed, by chat and message. `canceled` is told when a person stops one."""

    def __init__(
        self,
        sending: Sending,
        canceled: Callable[[Channel, str], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sending = sending
        self._canceled = canceled
        self._clock = clock
        self._running: OrderedDict[tuple[str, str], _Stream] = OrderedDict()
        self._others: OrderedDict[tuple[str, str], str] = OrderedDict()

    async def begin(self, channel: Channel, address: Address, reply: Reply, *, answers: str) -> str | None:
        """Begin to show an answer; the message's id (empty where Teams gave none), or None where it does not stream.

        Raises `Unsent`, but not for a refusal to stream.
        """
        others = [each for key, each in self._running.items() if key[0] == channel.id]
        if any(not each.canceled and self._lasts(each) for each in others):
            return None  # a chat has one at a time
        text = "" if reply.status else settled(reply.text)
        sign = "" if text else (reply.text.strip() or "…")[:_LONGEST_SIGN]
        activity = _chunk(text or sign, "streaming" if text else "informative", "", 1)
        try:
            message_id = await self._sending.send(address, activity, patience=PATIENCE_RUNNING, answers=answers)
        except Refused as error:
            if error.status not in (400, 403, 405) or (error.status == 403 and not error.code.startswith(_REFUSED)):
                raise
            log.info("teams does not stream here", reason=str(error))
            return None
        if message_id:
            keep(self._running, (channel.id, message_id), _Stream(self._clock(), said=text, sign=sign), _KEPT)
        return message_id

    async def grow(self, channel: Channel, address: Address, message_id: str, reply: Reply) -> bool:
        """Show more of an answer. `False` when this message is not streamed (any more), and has to be changed instead.

        Raises `Unsent`.
        """
        found = self._running.get((channel.id, message_id))
        if found is None:
            return False
        if found.canceled:
            return True
        if not self._lasts(found):
            return self._leave(channel, message_id)
        text = "" if reply.status else settled(reply.text)
        sign = (reply.text.strip() or "…")[:_LONGEST_SIGN] if not text else ""
        if found.said if sign else (text == found.said or not text.startswith(found.said)):
            return True  # only what adds to what is there can be shown; the end shows all
        if sign and sign == found.sign:
            return True
        kind = "informative" if sign else "streaming"
        activity = _chunk(sign or text, kind, message_id, found.sequence + 1)
        try:
            found.sequence += 1
            await self._sending.send(address, activity, patience=PATIENCE_RUNNING)
        except Refused as error:
            if "cancel" in error.code:
                found.canceled = True
                log.info("an answer was stopped in teams")
                await self._canceled(channel, message_id)
                return True
            if error.status in (400, 403):
                log.info("teams ended a stream", reason=str(error))
                return self._leave(channel, message_id)
            raise
        found.said, found.sign = text or found.said, sign
        return True

    async def end(self, channel: Channel, address: Address, message_id: str, activity: Activity) -> Ended:
        """Show the whole answer; where that is not `shown`, the message has to be changed instead."""
        found = self._running.pop((channel.id, message_id), None)
        if found is None:
            return "none"
        if found.canceled or not self._lasts(found):
            return "doubtful"
        return await self.finish(address, message_id, activity)

    async def finish(self, address: Address, message_id: str, activity: Activity) -> Ended:
        """End a stream with this message, whoever began it."""
        activity.entities = [*(activity.entities or ()), stream("final", message_id)]
        try:
            shown_as = await self._sending.send(address, activity, patience=PATIENCE)
        except Unsent as error:
            log.info("a stream could not be ended", reason=str(error))
            return "doubtful" if error.doubtful or not isinstance(error, Refused) else "refused"
        self.rename(address, message_id, shown_as)
        return "shown"

    def rename(self, address: Address, message_id: str, other: str) -> None:
        """From now on this message is changed by another id."""
        if other and other != message_id:
            keep(self._others, (address.conversation, message_id), other, _KEPT)

    def really(self, address: Address, message_id: str) -> str:
        """The id by which a message is changed, should the end of a stream have another one than its beginning."""
        return self._others.get((address.conversation, message_id), message_id)

    def runs(self, channel: Channel, message_id: str) -> bool:
        """Whether Teams shows this one as it grows, with a stop button of its own."""
        found = self._running.get((channel.id, message_id))
        return found is not None and self._lasts(found)

    def _lasts(self, found: _Stream) -> bool:
        """Whether Teams has not ended this one yet for its age."""
        return self._clock() - found.began <= _SECONDS

    def stopped(self, channel: Channel, message_id: str) -> bool:
        """Whether a person stopped this one; then what they saw stays, and Teams may take nothing more for it."""
        found = self._running.get((channel.id, message_id))
        return found is not None and found.canceled

    def drop(self, channel: Channel, message_id: str) -> None:
        """This message is gone."""
        self._running.pop((channel.id, message_id), None)

    def _leave(self, channel: Channel, message_id: str) -> bool:
        """From now on the message is changed like any other."""
        self.drop(channel, message_id)
        return False


def settled(text: str) -> str:
    """As much of a growing answer as will look the same however it goes on, in Teams' Markdown.

    What is still being written can change its looks: a line may turn out to be a heading or a row of a table, a bracket
    a link, a fence that was closed for show may go on.
    """
    *lines, last = text.split("\n")
    if last.lstrip().startswith("#") or "|" in last:
        last = ""
    else:
        last = last[: _OPEN.search(last).start()]  # type: ignore[union-attr]
        if last.count("`") % 2:
            last = last[: last.rfind("`")]
        if _MARK.fullmatch(last):
            last = ""
    while lines and "|" in lines[-1]:
        lines.pop()
        last = ""
    kept = shown("\n".join([*lines, last]).rstrip())
    fences = [line for line in kept.split("\n") if line.lstrip(" ").startswith(("```", "~~~"))]
    if fences and len(fences) % 2 == 0 and kept.endswith(f"\n{fences[-1]}"):
        kept = kept[: -len(fences[-1])].rstrip("\n")
    return kept


def _chunk(text: str, kind: str, stream_id: str, sequence: int) -> Activity:
    activity = Activity(type=ActivityTypes.typing, text=text, entities=[stream(kind, stream_id, sequence)])
    if kind == "streaming":
        activity.text_format = "markdown"
    return activity
