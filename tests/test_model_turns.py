"""Fallbacks, leave and bills: what a turn may do with models."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from bot.errors import UserError
from bot.models import (
    Prompt,
    Usage,
)
from tests.fakes.openai import FakeOpenAI, faults
from tests.model_rig import Turn, models_at, models_of


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as openai:
        yield openai


@pytest.fixture
async def turn(openai: FakeOpenAI) -> AsyncIterator[Turn]:
    async with models_at(openai) as turn:
        yield turn


@pytest.fixture(autouse=True)
def _no_time_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.models.wire._PAUSES", (0.01, 0.01))
    monkeypatch.setattr("bot.models.attempts._UNSAID_WAIT", 0.01)


async def test_the_next_model_is_asked_when_the_first_cannot(openai: FakeOpenAI) -> None:
    openai.models = ("small", "large")
    async with models_of(openai.url, "missing", "small", "large", key=openai.key) as turn:
        openai.fail_with(faults.status(404, "no such model"))
        openai.fail_with(faults.status(429, "busy", retry_after=10))
        assert await turn.ask("hello") == "echo: hello (1 messages)"
    assert [call.body["model"] for call in openai.of()] == ["missing", "small", "large"]


@pytest.mark.parametrize("fault", [faults.refusal(), faults.content_filter(0), faults.cut(2)])
async def test_no_other_model_is_asked_after_a_refusal_or_half_an_answer(
    openai: FakeOpenAI, fault: faults.Fault
) -> None:
    openai.models = ("small", "large")
    openai.fail_with(fault)
    async with models_of(openai.url, "small", "large", key=openai.key) as turn:
        await turn.fail()
    assert len(openai.of()) == 1


async def test_leave_is_asked_before_each_call_and_a_refusal_keeps_everything_from_the_models(
    openai: FakeOpenAI, turn: Turn
) -> None:
    await turn.ask("hello")
    await turn.models.embed(["x"])
    assert turn.asked == 2
    refused = Turn(turn.all)
    refused.refusal = UserError("You have used up today's answers.")
    for call in (refused.ask("hi"), refused.models.image("x"), refused.models.embed(["x"])):
        with pytest.raises(UserError, match="used up"):
            await call
    assert len(openai.of()) == 1
    assert refused.used == []


async def test_what_was_used_is_recorded_as_the_server_tells_it(openai: FakeOpenAI, turn: Turn) -> None:
    openai.reply_with("one two three")
    await turn.ask("hello")
    assert turn.used == [Usage("custom", "gpt-6-luna", "chat", 9, 3, cost=3)]


async def test_an_answer_cut_short_by_the_reader_is_on_the_bill(openai: FakeOpenAI, turn: Turn) -> None:
    openai.reply_with("word " * 50)
    openai.hold()
    await openai.release(5)
    async with aclosing(turn.models.chat([Prompt("user", "talk " * 100)])) as stream:
        assert await anext(stream)
    call = await openai.called()
    await call.ended.wait()
    assert call.left
    (used,) = turn.used
    assert used.estimated
    assert used.input_tokens > 100
    assert used.output_tokens > 0


async def test_a_stream_that_a_skill_forgot_is_ended_and_billed_with_the_turn(openai: FakeOpenAI, turn: Turn) -> None:
    openai.hold()
    await openai.release(1)
    stream = turn.models.chat([Prompt("user", "hello")])
    await anext(stream)
    await turn.models.close()
    assert [used.estimated for used in turn.used] == [True]
    assert [piece async for piece in stream] == []


async def test_a_cancelled_turn_hangs_up_on_the_model(openai: FakeOpenAI, turn: Turn) -> None:
    openai.fail_with(faults.stall())
    asking = asyncio.create_task(turn.ask("hello"))
    call = await openai.called()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    async with asyncio.timeout(5):
        await call.ended.wait()
    assert call.left
    assert [used.estimated for used in turn.used] == [True]


async def test_a_cancelled_drawing_is_on_the_bill(openai: FakeOpenAI, turn: Turn) -> None:
    openai.fail_with(faults.stall(), path="/images/generations")
    drawing = asyncio.create_task(turn.models.image("a fox", count=2))
    await openai.called(path="/images/generations")
    drawing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await drawing
    (used,) = turn.used
    assert (used.role, used.pictures, used.estimated) == ("image", 2, True)
    assert used.cost is not None
    assert used.cost > 60_000


async def test_fifty_answers_at_once_share_one_client_and_stay_apart(openai: FakeOpenAI, turn: Turn) -> None:
    answers = await asyncio.gather(*(turn.ask(f"question {number}") for number in range(50)))
    assert answers == [f"echo: question {number} (1 messages)" for number in range(50)]
