"""One turn at a time in a channel, many channels at once. What platforms report comes in here, as the `Host`."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog

from bot.adapter import Overloaded, PostFailed
from bot.budget import Seldom
from bot.conversation import INTERRUPTED, Conversation
from bot.later import Later
from bot.markup import clean
from bot.messages import Channel, Message, Person, Press, Quote, Said
from bot.metrics import FEEDBACK, HEARD
from bot.people import People
from bot.turns import Running, cleaned, packed, unpacked
from bot.waiting import Load, Turn, Waiting, WaitingTurn
from storage import Given, Heard, StorageTrouble, Store

__all__ = ["Dispatch", "Load"]

log = structlog.get_logger(__name__)

EDIT_SECONDS = 120  # within which a question that is changed is answered again
GONE = 1000  # deletions remembered, in case they have overtaken what they delete
MOMENT_SECONDS = 2  # in which an answer that was shown whole is surely written down
NOTICE_SECONDS = 60  # between two notices in one channel that too much is asked
LAST_WORDS_SECONDS = 4  # for ending what is still running when the time to drain is over

NOT_YOURS = "Only who asked, or a moderator, can do this."
ENDED = "This answer has ended already."
TOO_LATE = "This answer is too old for its buttons. Please ask again."
THANKS = "Thank you for telling me."
BUSY = "There is more to answer than I can take on right now. Please ask again in a minute."
WAITED = "There was more to answer than I could get to in time. Please ask again."

_Mark = tuple[str, str, str, str]


class Dispatch(People):
    """The core's side of every adapter: it stores what is heard, and gives each channel its turns in order.

    Where more is asked than can run at once, communities take turns, and within one its channels do.
    """

    def __init__(self, store: Store, conversation: Conversation, load: Load | None = None) -> None:
        super().__init__(store, Waiting(load or Load()))
        self._conversation = conversation
        self.settable = conversation.choosing.settable
        self.choices = conversation.choosing.choices
        self.origins = conversation.choosing.origins
        self.configure = conversation.choosing.configure
        self.communities = conversation.choosing.communities
        self._arriving: dict[_Mark, Message] = {}  # on their way into the inbox
        self._gone: OrderedDict[_Mark, None] = OrderedDict()
        self._renewing: set[int] = set()
        self._renewed: OrderedDict[_Mark, None] = OrderedDict()  # presses that had an answer given anew
        self._noticed = Seldom(NOTICE_SECONDS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._later = Later(store, conversation)
        self._alarm: asyncio.TimerHandle | None = None
        self._heard: dict[str, float] = {}  # when a question came last, by platform
        self.strained = False  # there is too little memory, or too few files, for more than is running
        self._closing = False

    # What adapters call.

    async def heard(self, message: Message) -> bool:
        """Take a question: once this returns it is stored, and will be answered even after a crash."""
        return await self._hear(cleaned(message))

    async def _hear(self, message: Message, *, pressed: bool = False) -> bool:
        mark: _Mark = (*message.channel.key, message.id)
        if mark in self._gone:
            return False  # its deletion has overtaken it
        joins = not pressed and self._conversation.is_plain(message)
        if not pressed and self._conversation.resends(message.channel) and self._too_much(message, joins):
            log.warning("too much is asked", platform=message.channel.platform, told=False)
            raise Overloaded
        self._arriving.setdefault(mark, message)
        try:
            heard = await self._accept(message)
            if heard is not None and not self._closing:  # else it waits in the inbox for the next start
                await self._place(Running(heard, message), joins=joins, pressed=pressed)
        finally:
            latest = self._arriving.pop(mark, message)
        if mark in self._gone:
            await self.deleted(message.channel, [message.id])
        elif latest is not message and heard is not None:
            await self.edited(latest)
        return heard is not None

    async def _accept(self, message: Message) -> int | None:
        try:
            self._conversation.allowance.expect(message)
            heard = await self._store.accept(
                message.channel.key,
                message.id,
                packed(message),
                message.author.id,
                direct=message.channel.kind == "direct",
            )
        except Exception:
            await self._conversation.excuse(message)
            raise
        platform = message.channel.platform
        if heard is None:
            log.info("heard again", platform=platform)
        else:
            HEARD.labels(platform).inc()
            self._heard[platform] = time.monotonic()
            log.info("heard", heard=heard, platform=platform, characters=len(message.text))
        return heard

    async def _place(self, running: Running, *, joins: bool, pressed: bool) -> None:
        """Let a question wait for its turn, or be answered together with an earlier one, or turn it away."""
        message = running.message
        waiting = self._waiting.joinable(message) if joins else None
        if waiting is not None and await self._join(waiting, running):
            return
        if not pressed and (self.strained or self._waiting.refuses(message)):
            await self._turn_away(running)
        else:
            self._submit(running, joins=joins)

    async def _join(self, waiting: WaitingTurn, running: Running) -> bool:
        """Close the question that waits, and let the newer one be answered in its place, with it in sight."""
        async with waiting.lock:
            earlier = waiting.running
            if waiting.begun or earlier.stopped:
                return False
            message = replace(running.message, before=(*earlier.message.before, _said(earlier.message)))
            try:
                await self._store.join(earlier.heard, running.heard, packed(message))
                running.message = message
                waiting.running = running
            except StorageTrouble:  # it is stored, and would be known already if it came again: it waits for itself
                log.exception("a question could not be joined to another", heard=running.heard)
                return False
            finally:
                self._waiting.stamp(waiting)
            gone = [said.message_id for said in message.before if (*message.channel.key, said.message_id) in self._gone]
            if left := running.without(gone):
                running.message = left
                await self._store.rewrite(running.heard, packed(left))
        log.info("joined", heard=running.heard, earlier=earlier.heard)
        return True

    async def edited(self, message: Message, *, addressed: bool = True) -> None:
        """A person changed what they said, and the context with it.

        A question that is waiting or being answered is answered as it stands now; one that was answered just now is
        answered again, in place.
        """
        message = cleaned(message)
        key, mark = message.channel.key, (*message.channel.key, message.id)
        if mark in self._arriving:
            self._arriving[mark] = message
            return
        for running in self._waiting.of(message.channel):
            changed_to = running.edited(message)
            if changed_to is not None:
                if changed_to != running.message:
                    running.change(changed_to)
                    await self._store.rewrite(running.heard, packed(changed_to))
                return
        since = datetime.now(UTC) - timedelta(seconds=EDIT_SECONDS)
        changed = await self._store.amend(key, message.id, message.text, packed(message))
        heard = await self._store.reopen(key, message.id, packed(message), since) if changed else None
        if heard is not None and not self._closing:
            await self._submit_again(heard, message)
        elif addressed and not changed and message.sent_at > since:
            await self.heard(message)  # it became a question only now, or the edit has overtaken it

    async def deleted(self, channel: Channel, message_ids: Iterable[str]) -> None:
        """Messages are gone: they leave the context, and an answer to one of them ends."""
        gone = list(message_ids)
        for message_id in gone:
            self._gone[*channel.key, message_id] = None
        while len(self._gone) > GONE:
            self._gone.popitem(last=False)
        for running in self._waiting.of(channel):
            if running.message.id in gone or running.message.reply_to in gone:  # or the answer whose button was pressed
                running.withdraw()
                if self._waiting.drop(running):
                    await self._store.finish(running.heard, "expired")
                await self._answer_instead(running.message, gone)
            elif left := running.without(gone):
                running.change(left)
                await self._store.rewrite(running.heard, packed(left))
        await self._store.forget(channel.key, gone)

    async def _answer_instead(self, message: Message, gone: list[str]) -> None:
        """The question is gone, and what was to be answered together with it becomes the question."""
        before = tuple(said for said in message.before if said.message_id not in gone)
        if not before:
            return
        *earlier, last = before
        at = last.at or message.sent_at
        instead = Message(last.message_id, message.channel, message.author, last.text, at, before=tuple(earlier))
        heard = await self._store.reopen_joined(message.channel.key, instead.id, packed(instead))
        if heard is not None and not self._closing:
            self._submit(Running(heard, instead))

    async def stop(self, channel: Channel, message_id: str, person: Person) -> bool:
        """End a running answer, on the word of who asked for it or of a moderator."""
        for running in self._waiting.of(channel):
            if running.concerns(message_id):
                if person.id != running.message.author.id and not person.moderator:
                    return False
                running.stop()
                return True
        return False

    def _is_running(self, channel: Channel, message_id: str) -> bool:
        return any(running.concerns(message_id) for running in self._waiting.of(channel))

    async def pressed(self, press: Press) -> str:
        """A button below an answer was pressed. Returns a sentence for who pressed it, or nothing."""
        key, person = press.channel.key, press.person
        if press.action == "stop":
            if await self.stop(press.channel, press.message_id, person):
                return ""
            return NOT_YOURS if self._is_running(press.channel, press.message_id) else ENDED
        await self._written_down(press)
        given = await self._store.given(key, press.message_id)
        if given is None:
            return TOO_LATE
        if press.action in ("good", "bad"):
            words = clean(press.words)[:2000]
            if await self._store.judge(key, given.heard, person.id, press.action, words):  # a reason may come after it
                FEEDBACK.labels(press.channel.platform, press.action).inc()
            return THANKS
        if press.action == "regenerate":
            return await self._again(given, press)
        button = next((each for each in given.buttons if each["action"] == press.action), None)
        if button is None:
            return TOO_LATE
        asked = Message(
            f"{press.message_id}~{press.id}",
            press.channel,
            person,
            "",
            press.at,
            quote=Quote(press.message_id),
            skill=button["skill"] or given.skill,
            request=button["request"],
            private=press.private,
            reply_to=press.message_id,
        )
        await self._hear(cleaned(asked), pressed=True)
        return ""

    async def _written_down(self, press: Press) -> None:
        """Whoever is quick presses a button before the answer that they see whole is written down, and waits for it."""
        for running in self._waiting.of(press.channel):
            if press.message_id in running.shown.values():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(running.ended.wait(), MOMENT_SECONDS)

    async def _again(self, given: Given, press: Press) -> str:
        """Answer a question once more, in the place of the answer that is there."""
        if press.person.id != given.person and not press.person.moderator:
            return NOT_YOURS
        if self._closing:
            return BUSY
        mark = (*press.channel.key, press.id)
        if mark in self._renewed:
            return ""
        if given.heard not in self._renewing and all(
            running.heard != given.heard for running in self._waiting.of(press.channel)
        ):
            self._renewing.add(given.heard)
            try:
                if why := await self._renew(given, press.person):
                    return why
            finally:
                self._renewing.discard(given.heard)
        self._renewed[mark] = None
        while len(self._renewed) > GONE:
            self._renewed.popitem(last=False)
        return ""

    async def _renew(self, given: Given, person: Person) -> str:
        question = unpacked(given.question)
        if why := await self._conversation.refusal(replace(question, author=person)):
            return why
        if person.id == question.author.id:  # what they may do is as it is now
            question = replace(question, author=person)
        if not await self._store.again(given.heard, packed(question)):
            return TOO_LATE
        await self._submit_again(given.heard, question)
        return ""

    async def _submit_again(self, heard: int, message: Message) -> None:
        """Let a question be answered once more, over what is shown of its answer."""
        shown = {post.part: post.message_id for post in await self._store.posts(heard)}
        self._submit(Running(heard, message, admitted=True, shown=shown))

    # What the application calls.

    @property
    def running(self) -> int:
        """How many turns are running."""
        return self._waiting.running

    @property
    def waiting(self) -> int:
        """How many turns are waiting."""
        return self._waiting.total

    def share(self, turns: int) -> None:
        """Give each community so many turns at once from now on."""
        self._waiting.load = replace(self._waiting.load, running_in_community=turns)

    def heard_ago(self, platform: str) -> float | None:
        """Seconds since somebody asked something there, or None."""
        at = self._heard.get(platform)
        return None if at is None else time.monotonic() - at

    async def recover(self, platforms: Iterable[str]) -> int:
        """Take up everything that an earlier process left undone on these platforms; returns how many."""
        known = set(platforms)
        undone = [heard for heard in await self._store.undone() if heard.platform in known]
        for heard in undone:
            self._resume(heard)
        return len(undone)

    async def passed(self) -> None:
        """Wait until everything that is running now has ended."""
        if running := set(self._tasks):
            await asyncio.wait(running)

    async def idle(self) -> None:
        """Wait until nothing is running and nothing waits for its turn."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def drain(self, seconds: float) -> None:
        """Take no more turns; let the running ones finish, and after `seconds` end them with a word of why."""
        self._closing = True
        self._waiting.clear()  # they are in the inbox, and the next start takes them up
        if self._alarm is not None:
            self._alarm.cancel()
        await self._later.end()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for running in self._waiting.all_running():
            running.stop(INTERRUPTED)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_WORDS_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Whose turn it is.

    def _too_much(self, message: Message, joins: bool) -> bool:
        if joins and self._waiting.joinable(message) is not None:
            return False
        return self.strained or self._waiting.refuses(message)

    def _submit(self, running: Running, turn: Turn | None = None, *, joins: bool = False) -> None:
        self._waiting.add(running, turn or self._conversation.answer, joins=joins)
        self._begin_turns()
        self._set_alarm()

    def _begin_turns(self) -> None:
        """Begin as many turns as there is room for."""
        while (waiting := self._waiting.pop()) is not None:
            self._start(self._take(waiting), "turn")

    async def _take(self, waiting: WaitingTurn) -> None:
        async with waiting.lock:  # a question that is being joined to it comes along
            running = waiting.running
        try:
            await self._later.settle(running.message.channel.key)
            await waiting.turn(running)
            if (afterwards := self._conversation.afterwards(running.message.channel)) is not None:
                self._start(afterwards, "afterwards")
        except PostFailed as error:
            log.warning("an answer waits for its platform", heard=running.heard, reason=str(error))
            self._later.deliver(running.message.channel.key, running.heard)
        except Exception:
            # The question stays in the inbox; the other channels and the next question here are not its victims.
            log.exception("a turn failed", heard=running.heard, platform=running.message.channel.platform)
            if running.told:
                self._later.close(running.heard)
            else:  # if it was answered, that can be shown as soon as whatever is wrong is over
                self._later.deliver(running.message.channel.key, running.heard)
        finally:
            running.ended.set()
            self._waiting.done(waiting)
            self._begin_turns()

    def _set_alarm(self) -> None:
        """Wake up when something will have waited too long."""
        due = self._waiting.due()
        if self._alarm is None and due is not None:
            self._alarm = asyncio.get_running_loop().call_later(due, self._give_up)

    def _give_up(self) -> None:
        self._alarm = None
        for waiting in self._waiting.overdue():
            log.warning("a question has waited too long", heard=waiting.running.heard)
            self._start(self._conversation.turn_away(waiting.running, WAITED), "notice")
        self._set_alarm()

    async def _turn_away(self, running: Running) -> None:
        """Close a question that cannot be taken on; its channel is told so, but not each time."""
        key = running.message.channel.key
        told = self._noticed.due(key) or bool(running.message.skill)  # a command waits for its answer, visibly
        log.warning("too much is asked", heard=running.heard, platform=key[0], told=told)
        if told:
            self._start(self._conversation.turn_away(running, BUSY), "notice")
        else:
            await self._store.finish(running.heard, "expired")

    # What was left undone.

    def _resume(self, heard: Heard) -> None:
        async def turn(running: Running) -> None:
            await self._conversation.resume(heard, running)

        self._submit(Running(heard.id, unpacked(heard.body)), turn, joins=False)

    def _start(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _said(message: Message) -> Said:
    """The question as a line of context."""
    author = message.author
    return Said("user", message.text, author.name, author.id, message.id, message.sent_at)
