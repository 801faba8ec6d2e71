"""One turn at a time in a channel, many channels at once. What platforms report comes in here, as the `Host`."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import replace

import structlog

from bot.adapter import PostFailed
from bot.conversation import INTERRUPTED, Conversation, Running, packed, unpacked
from bot.markup import clean, clean_name
from bot.messages import Attachment, Channel, Message, Person, Quote
from storage import Heard, Store

__all__ = ["Dispatch"]

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 100  # turns running together; more wait, in order
RETRY_SECONDS = (5, 15, 30, 60, 120, 300)  # between attempts to deliver an answer that a platform did not take

_Turn = Callable[[Running], Awaitable[None]]


class Dispatch:
    """The core's side of every adapter: it stores what is heard, and gives each channel its turns in order."""

    def __init__(self, store: Store, conversation: Conversation) -> None:
        self._store = store
        self._conversation = conversation
        self._waiting: dict[tuple[str, str, str], deque[tuple[Running, _Turn]]] = {}
        self._running: dict[tuple[str, str, str], Running] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        self._closing = False

    # What adapters call.

    async def heard(self, message: Message) -> bool:
        """Take a question: once this returns it is stored, and will be answered even after a crash."""
        message = _cleaned(message)
        heard = await self._store.accept(message.channel.key, message.id, packed(message))
        if heard is None:
            log.info("heard again", platform=message.channel.platform)
            return False
        log.info("heard", heard=heard, platform=message.channel.platform, characters=len(message.text))
        if not self._closing:  # otherwise it waits in the inbox for the next start
            self._submit(Running(heard, message), self._conversation.answer)
        return True

    async def edited(self, channel: Channel, message_id: str, text: str) -> None:
        """A person changed what they said: so does the context."""
        await self._store.amend(channel.key, message_id, clean(text))

    async def deleted(self, channel: Channel, message_ids: Iterable[str]) -> None:
        """Messages are gone: they leave the context, and an answer to one of them ends."""
        gone = list(message_ids)
        for running in self._of(channel):
            if running.message.id in gone:
                running.stop()
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

    # What the application calls.

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
        for queue in self._waiting.values():
            queue.clear()  # they are in the inbox, and the next start takes them up
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for running in self._running.values():
            running.stop(INTERRUPTED)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=4)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _of(self, channel: Channel) -> list[Running]:
        running = self._running.get(channel.key)
        waiting = [each for each, _ in self._waiting.get(channel.key, ())]
        return [running, *waiting] if running else waiting

    def _resume(self, heard: Heard) -> None:
        async def turn(running: Running) -> None:
            await self._conversation.resume(heard, running)

        self._submit(Running(heard.id, unpacked(heard.body)), turn)

    def _submit(self, running: Running, turn: _Turn) -> None:
        key = running.message.channel.key
        if key in self._waiting:
            self._waiting[key].append((running, turn))
            return
        self._waiting[key] = deque([(running, turn)])
        self._start(self._work_through(key), "channel")

    async def _work_through(self, key: tuple[str, str, str]) -> None:
        """Give a channel its turns, one after the other, until none is waiting."""
        queue = self._waiting[key]
        try:
            while queue:
                async with self._places:
                    if not queue:
                        break
                    running, turn = queue.popleft()
                    self._running[key] = running
                    try:
                        await self._take(running, turn)
                    finally:
                        del self._running[key]
        finally:
            del self._waiting[key]

    async def _take(self, running: Running, turn: _Turn) -> None:
        try:
            await turn(running)
        except PostFailed as error:
            log.warning("an answer waits for its platform", heard=running.heard, reason=str(error))
            self._start(self._deliver_later(running.heard), "delivery")
        except Exception:
            # The question stays in the inbox; the other channels and the next question here are not its victims.
            log.exception("a turn failed", heard=running.heard, platform=running.message.channel.platform)

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

    def _start(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _cleaned(message: Message) -> Message:
    """The message with every text in it cleaned: nothing hidden, nothing that storage or a platform cannot hold."""
    quote = message.quote
    return replace(
        message,
        text=clean(message.text),
        author=replace(message.author, name=clean_name(message.author.name)),
        attachments=tuple(_named(each) for each in message.attachments),
        quote=quote
        and Quote(
            quote.id,
            quote.author and replace(quote.author, name=clean_name(quote.author.name)),
            clean(quote.text),
            tuple(_named(each) for each in quote.attachments),
        ),
    )


def _named(attachment: Attachment) -> Attachment:
    return replace(attachment, name=clean_name(attachment.name))
