"""The story of one message, from being heard to being answered and remembered.

Read `Conversation.answer` from top to bottom: that is what happens, in that order, for every platform and every skill.
"""

import contextlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from bot.adapter import Adapter, Gone, PostFailed
from bot.allowance import Allowance, Spending
from bot.asking import CUT_OFF, Asking, settings_key
from bot.budget import Quotas, Seldom, stand_in
from bot.choosing import Choosing
from bot.delivery import Answer, Delivery, nonce_of
from bot.errors import UserError
from bot.memory import TOKENS, Memory
from bot.messages import Attachment, Button, Channel, Keep, Message, Person, Reply, Status
from bot.metrics import SECONDS, TURNS
from bot.models import Models, TurnModels, Usage
from bot.policy import LIMITS, models_of, permit, settings_of
from bot.prompting import as_said, with_marks
from bot.routing import FALLBACK, choose
from bot.skill import Skill
from bot.turns import Once, Running, Tally, packed
from bot.watchdog import SkillBlocked
from storage import File, Heard, Line, Offer, StorageError, StorageTrouble, Store

__all__ = ["Conversation"]

log = structlog.get_logger(__name__)

TOO_OLD_SECONDS = 600
LATE_SECONDS = 300  # after which an answer that could not be shown says that it comes late
MOST_ATTEMPTS = 3  # after crashes, at a question that may be what caused them
NOTICE_SECONDS = 60  # between two notices to one person that they have asked enough

# What stands below every answer that a model had a part in, after the skill's own buttons.
ANSWERED = (Button("regenerate", "Regenerate"), Button("good", "👍"), Button("bad", "👎"))

INTERRUPTED = "Interrupted by a restart. Please ask again."
EXPIRED = "I was away when you asked this, and it has been a while. Please ask again if it still matters."
GIVEN_UP = (
    "I could not answer this: something went wrong each time I tried. Whoever runs this bot finds more in the log."
)
NOT_STORED = "I cannot take questions just now: there is a problem with my storage. Please ask again in a few minutes."
NOT_KEPT = "there is a problem with my storage: I shall not remember this"
LATE = "this comes late: I could not reach you before"
NOTHING_SAID = "I got an empty answer from the model. Please ask again, perhaps in other words."


class Conversation:
    """Answers messages: one at a time for each channel (see `bot.dispatch`), any number of channels at once."""

    def __init__(
        self,
        store: Store,
        skills: Mapping[str, Skill[Any, Any]],
        models: Models,
        adapters: Mapping[str, Adapter],
        quotas: Quotas | None = None,
        *,
        tokens: int = TOKENS,
    ) -> None:
        self._store = store
        self._skills = skills
        self._models = models
        self._adapters = adapters
        self._memory = Memory(store, tokens)
        self._asking = Asking(store, self._memory, skills, adapters)
        self._told = Seldom(NOTICE_SECONDS)
        self.allowance = Allowance(store, quotas)
        self.choosing = Choosing(store, skills, models, adapters)

    def remember(self, tokens: int) -> None:
        """Show models so much of a conversation from now on."""
        self._memory.resize(tokens)

    def cut_off(self, skill: str) -> None:
        """Switch a skill off until the next start: it kept everybody else waiting."""
        self._asking.cut_off.add(skill)

    async def answer(self, running: Running) -> None:
        """Answer one message. Whatever happens, it ends with something that its author can see."""
        if not running.admitted and (why := await self.refusal(running.message)):
            await self._put_off(running, why)
            return
        message, answer, bill, again = running.message, Answer(), Tally(), bool(running.shown)
        began, outcome = time.monotonic(), "answered"
        adapter = self._adapters[message.channel.platform]
        chosen = await self._lowered(message.channel)
        spending = await self.allowance.spending(message, chosen)
        begin = Once(lambda: self._store.begin(running.heard, spending.reserved))

        async def reserve(*, more: bool) -> None:
            if begin.done and more:
                await self._store.reserve(running.heard, spending.reserved)
            await begin()

        async def posted(part: int, message_id: str, last: bool) -> None:
            running.shown[part] = message_id
            if last:
                return
            try:
                await self._store.posted(running.heard, part, message_id)
            except Exception:
                log.exception("where an answer is shown could not be kept", heard=running.heard)

        delivery = Delivery(adapter, message, answer, begin=begin, posted=posted, shown=running.shown)
        models = self._metered(chosen, spending, bill, reserve=reserve, waiting=delivery.add)

        async def say() -> None:
            answer.clear()
            await self._speak(running.message, models, delivery, bill)

        try:
            async with delivery:
                await running.speak(say)
            if answer.empty:
                answer.add_sentence(running.stopped or NOTHING_SAID)
            elif running.stopped:
                answer.footers.append(running.stopped)
            outcome = "stopped" if running.stopped else outcome
        except UserError as error:
            outcome = "explained"
            answer.add_sentence(str(error))
        except (StorageError, StorageTrouble):
            outcome = "failed"
            log.exception("storage failed during a turn", heard=running.heard)
            answer.add_sentence(NOT_STORED)
        except SkillBlocked:
            outcome = "cut off"
            answer.add_sentence(CUT_OFF.format(bill.skill))
        except Exception:
            outcome = "failed"
            reference = secrets.token_hex(3)
            log.exception("a skill failed", reference=reference, skill=bill.skill, heard=running.heard)
            answer.add_sentence(f"Something went wrong on my side (reference {reference}).")
        await models.close()
        if message.author.bot and outcome in ("explained", "cut off", "failed"):
            answer.clear()  # an error is no answer to a machine: it would answer to that
        answer.settle()
        await delivery.fit()
        if outcome == "answered" and bill.used and not running.message.private:
            answer.buttons.extend(await self._offered(message, answer.text, bill, models))
            answer.buttons.extend(ANSWERED)
        answer.footers.extend(notice for notice in models.notices if notice not in answer.footers)

        if running.withdrawn and not running.shown:
            answer.clear()
        try:
            await self._remember(running.heard, running.message, answer, bill, withdrawn=running.withdrawn, again=again)
        except Exception:
            log.exception("an answer could not be kept", heard=running.heard)
            answer.footers.append(NOT_KEPT)  # but it is shown: nobody is left in front of half an answer
            running.told = True
        begin.done = True  # what is kept, or lost, need not be begun
        spending.settle()
        await self._deliver(running.heard, message, delivery)
        seconds = time.monotonic() - began
        SECONDS.labels(message.channel.platform).observe(seconds)
        TURNS.labels(message.channel.platform, outcome).inc()
        log.info("closed", heard=running.heard, outcome=outcome, skill=bill.skill, seconds=round(seconds, 1))

    async def _offered(self, message: Message, text: str, bill: Tally, models: TurnModels) -> list[Button]:
        """What other skills offer to do with what the chat has answered."""
        if bill.skill != FALLBACK or not text:
            return []
        found = []
        for name, skill in self._skills.items():
            chosen = await self._store.chosen(settings_key(message.channel), name)
            with contextlib.suppress(UserError):
                permit(skill, chosen, message.author, message.channel)
                if button := skill.offers(settings_of(skill, chosen), text, models):
                    found.append(button)
        return found

    def afterwards(self, channel: Channel) -> Coroutine[None, None, None] | None:
        """What is left to do in a channel after an answer, when nobody waits for it; `None` for nothing."""
        practising = any(choice.provider.notice for choice in self._models.choices("chat"))
        return self._summarise(channel) if self._memory.due(channel) and not practising else None

    async def _summarise(self, channel: Channel) -> None:
        """Summarise what has grown too long to be shown to models, on the bill of the community."""
        bill, nobody = Tally(), Message("", channel, Person("", ""), "", datetime.now(UTC))
        chosen = await self._lowered(channel)
        spending = await self.allowance.spending(nobody, chosen)
        try:
            await self._memory.summarise(channel, self._metered(chosen, spending, bill), bill)
        finally:
            spending.settle()

    def _metered(
        self,
        chosen: Mapping[str, Any],
        spending: Spending,
        bill: Tally,
        *,
        reserve: Callable[..., Awaitable[None]] | None = None,
        waiting: Callable[[Status], None] | None = None,
    ) -> TurnModels:
        """The models for one turn: what a call may use is held back before it is made, what it used goes on the bill.

        `chosen` is what moderators have set here; `reserve` is awaited before each call, with whether `more` is held.
        """
        preferred = models_of(chosen)

        async def leave(guess: Usage) -> None:
            before = spending.reserved
            cost = self._models.reserve(guess, preferred)
            if cost is None:
                cost = max(stand_in(replace(guess, provider=each.name)) for each in self._models.providers)
            spending.hold(guess, cost)
            if reserve is not None:
                await reserve(more=spending.reserved > before)

        def used(usage: Usage) -> None:
            usage = replace(usage, cost=self._models.cost(usage))
            bill.add(usage)
            spending.spend(usage)

        return self._models.for_turn(record=used, before=leave, waiting=waiting, chosen=preferred)

    async def refusal(self, message: Message) -> str:
        """Count a turn of its author; or count nothing, and say why there is none now."""
        return await self.allowance.admit(message, await self._lowered(message.channel))

    async def _lowered(self, channel: Channel) -> Mapping[str, Any]:
        return await self._store.chosen(settings_key(channel), LIMITS)

    async def _put_off(self, running: Running, why: str) -> None:
        """Close a question of somebody who has asked enough for now; they are told so, but not each time."""
        author, platform = running.message.author, running.message.channel.platform
        if self._told.due((platform, author.id)) or running.message.skill:  # a command visibly waits for its answer
            await self.turn_away(running, why)
        else:
            TURNS.labels(platform, "turned away").inc()
            await self._store.finish(running.heard, "expired")

    def is_plain(self, message: Message) -> bool:
        """Whether it is nothing but words for the chat, which can be answered together with others."""
        if message.attachments or message.quote or message.skill or message.private or message.author.operator:
            return False
        with contextlib.suppress(UserError):
            return choose(message, self._skills).skill.name == FALLBACK
        return False

    def resends(self, channel: Channel) -> bool:
        """Whether what cannot be taken from this channel just now comes again."""
        return self._adapters[channel.platform].limits(channel).resends

    async def excuse(self, message: Message) -> None:
        """Tell somebody that their question could not even be stored, unless their platform sends it again."""
        adapter = self._adapters[message.channel.platform]
        if self.resends(message.channel):
            return
        try:
            # Not the nonce of the answer: the question may yet be heard again, and answered.
            nonce = nonce_of(message.channel, message.id, -1)
            await adapter.ready(message.channel, "begin", message.id)
            await adapter.post(message.channel, Reply(NOT_STORED), answers=message.id, nonce=nonce)
        except PostFailed as error:
            log.warning("nobody could be told that a question was lost", reason=str(error))

    async def turn_away(self, running: Running, why: str) -> None:
        """Close a question with a word of why it is not answered."""
        answer = Answer(text=why)
        TURNS.labels(running.message.channel.platform, "turned away").inc()
        await self._remember(running.heard, running.message, answer, Tally(), withdrawn=True)
        await self._deliver(running.heard, running.message, self._redelivery(running, answer))

    async def _speak(self, message: Message, models: TurnModels, delivery: Delivery, bill: Tally) -> None:
        """Find who answers, and let the answer be said."""
        async with contextlib.aclosing(self._asking.pieces(message, models, bill)) as pieces:
            async for piece in pieces:
                delivery.add(piece)

    async def _remember(
        self,
        heard: int,
        message: Message,
        answer: Answer,
        bill: Tally,
        *,
        withdrawn: bool = False,
        again: bool = False,
    ) -> None:
        """Keep the answer before it is delivered, together with what was said and what it cost.

        Of a question that is withdrawn only the cost is remembered.
        """
        said = [
            *(
                Line(each.role, each.text, each.message_id, each.author_id, each.author, each.at)
                for each in message.before
            ),
            Line(
                "user",
                as_said(message, bill.documents),
                message.id,
                message.author.id,
                message.author.name,
                message.sent_at,
            ),
        ]
        if not answer.empty:
            said.append(Line("assistant", with_marks(answer.text, answer.attachments), f"re:{message.id}"))
        files = [
            File(f"{heard}-{number}", each.name, each.media_type, each.data, each.alt)
            for number, each in enumerate(answer.attachments)
        ]
        await self._store.answered(
            heard,
            key=message.channel.key,
            answer=json.dumps(
                {
                    "text": answer.text,
                    "footers": answer.footers,
                    "files": [file.id for file in files],
                    "buttons": [asdict(button) for button in answer.buttons],
                }
            ),
            said=[] if withdrawn or message.private else said,
            used=bill.used,
            person=message.author.id,
            skill=bill.skill,
            attached=files,
            again=again,
            direct=message.channel.kind == "direct",
            offer=_offer(heard, message, answer, bill.keeper)
            if not withdrawn and (answer.buttons or answer.kept)
            else None,
        )

    async def _deliver(self, heard: int, message: Message, delivery: Delivery) -> None:
        """Show the whole answer and close the question. Raises `PostFailed` when it has to be tried again later."""
        try:
            await delivery.finish()
        except Gone as error:
            log.info("an answer has nowhere to go", heard=heard, platform=message.channel.platform, reason=str(error))
            await self._store.finish(heard, "failed")
            return
        await self._store.finish(heard, "done", files_too=delivery.attaches, shown=delivery.unrecorded)

    async def resume(self, heard: Heard, running: Running) -> None:
        """Finish what an earlier process began: deliver its answer, or say honestly that there is none."""
        message = running.message
        posts = {post.part: post.message_id for post in await self._store.posts(heard.id)}
        running.shown.update(posts)
        age = (datetime.now(UTC) - heard.received_at).total_seconds()
        late = age > TOO_OLD_SECONDS
        if heard.state == "received" and not late and await self._store.attempt(heard.id) <= MOST_ATTEMPTS:
            running.admitted = bool(posts)  # what is answered once more was counted when that was asked for
            await self.answer(running)
            return
        bill = Tally()
        if heard.state == "answered":
            answer, first = await self._kept(heard), 0
            if not posts and age > LATE_SECONDS:
                answer.footers.append(LATE)
        else:
            # Something was begun, perhaps paid for, and is lost: the last visible part says so. It is not paid twice.
            why = INTERRUPTED if heard.state == "running" else EXPIRED if late else GIVEN_UP
            answer, first = Answer(text=why), max(posts, default=0)
            bill.book(heard.reserved)
            await self.allowance.book(message, heard.reserved)
            await self._remember(heard.id, message, answer, bill, again=bool(posts))

        await self._deliver(heard.id, message, self._redelivery(running, answer, first))

    def _redelivery(self, running: Running, answer: Answer, first: int = 0) -> Delivery:
        """Delivers an answer that is complete and kept, over whatever an earlier attempt has shown of it."""
        message = running.message

        async def posted(part: int, message_id: str, _last: bool) -> None:
            running.shown[part] = message_id
            await self._store.posted(running.heard, part, message_id)

        return Delivery(
            self._adapters[message.channel.platform],
            message,
            answer,
            begin=Once(_nothing),
            posted=posted,
            shown=running.shown,
            first=first,
            again=True,
        )

    async def _kept(self, heard: Heard) -> Answer:
        """The answer that `_remember` kept."""
        kept = json.loads(heard.answer or "{}")
        files = [file for file in [await self._store.file(each) for each in kept["files"]] if file is not None]
        return Answer(
            text=kept["text"],
            footers=kept["footers"],
            attachments=[Attachment(file.name, file.media_type, file.data, alt=file.alt) for file in files],
            buttons=[Button(**button) for button in kept.get("buttons", ())],
        )


async def _nothing() -> None:
    """A question that is resumed has been begun already."""


def _offer(heard: int, message: Message, answer: Answer, keeper: str) -> Offer:
    """What the answer goes on offering: its buttons, what its skill kept, and the question, to answer it again."""
    kept = answer.kept or Keep({})
    return Offer(
        packed(replace(message, before=())),  # by then the context has it
        [asdict(button) for button in answer.buttons],
        answer.kept.about if answer.kept else None,
        tuple(
            File(f"kept-{heard}-{number}", each.name, each.media_type, each.data, each.alt)
            for number, each in enumerate(kept.attachments)
        ),
        keeper if answer.kept else "",
    )
