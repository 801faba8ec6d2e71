"""One turn at a time in a channel, many channels at once. What platforms report comes in here, as the `Host`."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from bot.adapter import PostFailed
from bot.conversation import INTERRUPTED, Conversation
from bot.markup import clean, clean_name
from bot.messages import Attachment, Channel, Message, Person, Press, Quote
from bot.metrics import FEEDBACK, HEARD
from bot.turns import Running, packed, unpacked
from storage import Given, Heard, Store

__all__ = ["Dispatch", "Load"]

log = structlog.get_logger(__name__)

# Between attempts to deliver an answer that a platform did not take, for about two hours. Once the platform is well
# again, nobody waits for a minute.
RETRY_SECONDS = (5, 15, 30, *[45] * 160)
EDIT_SECONDS = 120  # within which a question that is changed is answered again
GONE = 1000  # deletions remembered, in case they have overtaken what they delete
NOTICE_SECONDS = 60  # between two notices in one channel that too much is asked
LAST_WORDS_SECONDS = 4  # for ending what is still running when the time to drain is over

NOT_YOURS = "Only who asked, or a moderator, can do this."
TOO_LATE = "This answer is too old for its buttons. Please ask again."
THANKS = "Thank you for telling me."
BUSY = "There is more to answer than I can take on right now. Please ask again in a minute."

_Key = tuple[str, str, str]
_Turn = Callable[[Running], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Load:
    """How much is taken on: turns running at once, and turns waiting in all, in one community, in one channel, and of
    one person in a channel.
    """

    running: int = 100
    waiting: int = 500
    in_tenant: int = 100
    in_channel: int = 10
    of_person: int = 5


class Dispatch:
    """The core's side of every adapter: it stores what is heard, and gives each channel its turns in order.

    Where more is asked than can run at once, communities take turns, and within one its channels do.
    """

    def __init__(self, store: Store, conversation: Conversation, load: Load | None = None) -> None:
        self._store = store
        self._conversation = conversation
        self._load = load or Load()
        self._waiting: dict[_Key, deque[tuple[Running, _Turn]]] = {}
        self._running: dict[_Key, Running] = {}
        self._next: dict[tuple[str, str], deque[_Key]] = {}  # channels whose turn can begin, by community
        self._gone: deque[tuple[str, str, str, str]] = deque(maxlen=GONE)
        self._noticed: dict[_Key, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._later: set[asyncio.Task[None]] = set()
        self._closing = False

    # What adapters call.

    async def heard(self, message: Message) -> bool:
        """Take a question: once this returns it is stored, and will be answered even after a crash."""
        message = _cleaned(message)
        if (*message.channel.key, message.id) in self._gone:
            return False  # its deletion has overtaken it
        try:
            heard = await self._store.accept(message.channel.key, message.id, packed(message), message.author.id)
        except Exception:
            await self._conversation.excuse(message)
            raise
        if heard is None:
            log.info("heard again", platform=message.channel.platform)
            return False
        HEARD.labels(message.channel.platform).inc()
        log.info("heard", heard=heard, platform=message.channel.platform, characters=len(message.text))
        running = Running(heard, message)
        if self._closing:
            return True  # it waits in the inbox for the next start
        if self._full(message):
            await self._turn_away(running)
        else:
            self._submit(running, self._conversation.answer)
        return True

    async def edited(self, message: Message, *, addressed: bool = True) -> None:
        """A person changed what they said, and the context with it.

        A question that is waiting or being answered is answered as it stands now; one that was answered just now is
        answered again, in place.
        """
        message = _cleaned(message)
        for running in self._of(message.channel):
            if running.message.id == message.id:
                if running.message.text != message.text:
                    running.change(message)
                    await self._store.rewrite(running.heard, packed(message))
                return
        since = datetime.now(UTC) - timedelta(seconds=EDIT_SECONDS)
        changed = await self._store.amend(message.channel.key, message.id, message.text)
        heard = await self._store.reopen(message.channel.key, message.id, packed(message), since) if changed else None
        if heard is not None and not self._closing:
            shown = {post.part: post.message_id for post in await self._store.posts(heard)}
            self._submit(Running(heard, message, shown=shown), self._conversation.answer)
        elif addressed and not changed and message.sent_at > since:
            await self.heard(message)  # it became a question only now, or the edit has overtaken it

    async def deleted(self, channel: Channel, message_ids: Iterable[str]) -> None:
        """Messages are gone: they leave the context, and an answer to one of them ends."""
        gone = list(message_ids)
        self._gone.extend((*channel.key, message_id) for message_id in gone)
        for running in self._of(channel):
            if running.message.id in gone:
                running.withdraw()
        await self._store.forget(channel.key, gone)

    async def stop(self, channel: Channel, message_id: str, person: Person) -> bool:
        """End a running answer, on the word of who asked for it or of a moderator."""
        for running in self._of(channel):
            if message_id == running.message.id or message_id in running.shown.values():
                if person.id != running.message.author.id and not person.moderator:
                    return False
                running.stop()
                return True
        return False

    async def pressed(self, press: Press) -> str:
        """A button below an answer was pressed. Returns a sentence for who pressed it, or nothing."""
        key, person = press.channel.key, press.person
        if press.action == "stop":
            return "" if await self.stop(press.channel, press.message_id, person) else NOT_YOURS
        given = await self._store.given(key, press.message_id)
        if given is None:
            return TOO_LATE
        if press.action in ("good", "bad"):
            await self._store.judge(key, given.heard, person.id, press.action, clean(press.words)[:2000])
            FEEDBACK.labels(press.channel.platform, press.action).inc()
            return THANKS
        if press.action == "regenerate":
            return await self._again(given, press)
        button = next((each for each in given.buttons if each["action"] == press.action), None)
        if button is None:
            return TOO_LATE
        await self.heard(
            Message(
                f"{press.message_id}~{press.id}",
                press.channel,
                person,
                "",
                press.at,
                quote=Quote(press.message_id),
                skill=button["skill"] or given.skill,
                request=button["request"],
                reply_to=press.message_id,
            )
        )
        return ""

    async def _again(self, given: Given, press: Press) -> str:
        """Answer a question once more, in the place of the answer that is there."""
        if press.person.id != given.person and not press.person.moderator:
            return NOT_YOURS
        if self._closing or self._full(unpacked(given.question)):
            return BUSY
        if any(running.heard == given.heard for running in self._of(press.channel)):
            return ""
        if not await self._store.again(given.heard, given.question):
            return TOO_LATE
        shown = {post.part: post.message_id for post in await self._store.posts(given.heard)}
        self._submit(Running(given.heard, unpacked(given.question), shown=shown), self._conversation.answer)
        return ""

    async def choices(self, channel: Channel) -> Mapping[str, Mapping[str, Any]]:
        """Every setting of every skill in this channel, as it is now."""
        return await self._conversation.choices(channel)

    async def configure(
        self, channel: Channel, person: Person, skill: str, chosen: Mapping[str, Any], *, everywhere: bool = False
    ) -> None:
        """Set what a moderator chose. Raises `UserError`."""
        await self._conversation.configure(channel, person, skill, chosen, everywhere=everywhere)
        log.info("settings changed", platform=channel.platform, skill=skill, everywhere=everywhere)

    # What the application calls.

    @property
    def running(self) -> int:
        """How many turns are running."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """How many turns are waiting."""
        return sum(len(queue) for queue in self._waiting.values())

    async def recover(self, platforms: Iterable[str]) -> int:
        """Take up everything that an earlier process left undone on these platforms; returns how many."""
        known = set(platforms)
        undone = [heard for heard in await self._store.undone() if heard.platform in known]
        for heard in undone:
            self._resume(heard)
        return len(undone)

    async def idle(self) -> None:
        """Wait until nothing is running and nothing waits for its turn."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def drain(self, seconds: float) -> None:
        """Take no more turns; let the running ones finish, and after `seconds` end them with a word of why."""
        self._closing = True
        self._waiting.clear()  # they are in the inbox, and the next start takes them up
        self._next.clear()
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for running in list(self._running.values()):
            running.stop(INTERRUPTED)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_WORDS_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Whose turn it is.

    def _full(self, message: Message) -> bool:
        """Whether this question is more than may wait."""
        key = message.channel.key
        waiting = Counter({each: len(queue) for each, queue in self._waiting.items()})
        in_tenant = sum(count for each, count in waiting.items() if each[:2] == key[:2])
        of_person = sum(each.message.author.id == message.author.id for each, _ in self._waiting.get(key, ()))
        return (
            of_person >= self._load.of_person
            or waiting[key] >= self._load.in_channel
            or in_tenant >= self._load.in_tenant
            or waiting.total() >= self._load.waiting
        )

    def _submit(self, running: Running, turn: _Turn) -> None:
        key = running.message.channel.key
        queue = self._waiting.setdefault(key, deque())
        queue.append((running, turn))
        if len(queue) == 1 and key not in self._running:
            self._next.setdefault(key[:2], deque()).append(key)
        self._begin_turns()

    def _begin_turns(self) -> None:
        """Begin as many turns as there is room for, one community after the other."""
        while self._next and len(self._running) < self._load.running:
            tenant, keys = next(iter(self._next.items()))
            del self._next[tenant]
            key = keys.popleft()
            if keys:
                self._next[tenant] = keys  # behind the other communities
            queue = self._waiting[key]
            running, turn = queue.popleft()
            if not queue:
                del self._waiting[key]
            self._running[key] = running
            self._start(self._take(key, running, turn), "turn")

    async def _take(self, key: _Key, running: Running, turn: _Turn) -> None:
        try:
            await turn(running)
            if (afterwards := self._conversation.afterwards(running.message.channel)) is not None:
                self._start(afterwards, "afterwards")
        except PostFailed as error:
            log.warning("an answer waits for its platform", heard=running.heard, reason=str(error))
            self._start(self._deliver_later(running.heard), "delivery", self._later)
        except Exception:
            # The question stays in the inbox; the other channels and the next question here are not its victims.
            log.exception("a turn failed", heard=running.heard, platform=running.message.channel.platform)
        finally:
            del self._running[key]
            if key in self._waiting:
                self._next.setdefault(key[:2], deque()).append(key)
            self._begin_turns()

    async def _turn_away(self, running: Running) -> None:
        """Close a question that cannot be taken on; its channel is told so, but not each time."""
        key, now = running.message.channel.key, time.monotonic()
        self._noticed = {each: at for each, at in self._noticed.items() if now - at < NOTICE_SECONDS}
        log.warning("too much is asked", heard=running.heard, platform=key[0], told=key not in self._noticed)
        if key in self._noticed:
            await self._store.finish(running.heard, "expired")
        else:
            self._noticed[key] = now
            self._start(self._conversation.turn_away(running, BUSY), "notice")

    def _of(self, channel: Channel) -> list[Running]:
        running = self._running.get(channel.key)
        waiting = [each for each, _ in self._waiting.get(channel.key, ())]
        return [running, *waiting] if running else waiting

    # What was left undone.

    def _resume(self, heard: Heard) -> None:
        async def turn(running: Running) -> None:
            await self._conversation.resume(heard, running)

        self._submit(Running(heard.id, unpacked(heard.body)), turn)

    async def _deliver_later(self, heard_id: int) -> None:
        """Try again to show an answer that is kept, until the platform takes it or the attempts are used up."""
        for seconds in RETRY_SECONDS:
            await asyncio.sleep(seconds)
            heard = next((each for each in await self._store.undone() if each.id == heard_id), None)
            if heard is None or self._closing:
                return
            try:
                await self._conversation.resume(heard, Running(heard.id, unpacked(heard.body)))
            except PostFailed as error:
                log.warning("an answer still waits for its platform", heard=heard_id, reason=str(error))
            else:
                return

    def _start(
        self, work: Coroutine[None, None, None], name: str, among: set[asyncio.Task[None]] | None = None
    ) -> None:
        tasks = self._tasks if among is None else among
        task = asyncio.create_task(work, name=name)
        tasks.add(task)
        task.add_done_callback(tasks.discard)


def _cleaned(message: Message) -> Message:
    """The message with every text in it cleaned: nothing hidden, nothing that storage or a platform cannot hold."""
    quote = message.quote
    return replace(
        message,
        text=clean(message.text),
        author=replace(message.author, name=clean_name(message.author.name)),
        attachments=tuple(_named(each) for each in message.attachments),
        quote=quote and _cleaned_quote(quote),
    )


def _cleaned_quote(quote: Quote) -> Quote:
    return replace(
        quote,
        author=quote.author and replace(quote.author, name=clean_name(quote.author.name)),
        text=clean(quote.text),
        attachments=tuple(_named(each) for each in quote.attachments),
        earlier=tuple(_cleaned_quote(each) for each in quote.earlier),
    )


def _named(attachment: Attachment) -> Attachment:
    return replace(attachment, name=clean_name(attachment.name))
