"""Discord takes fifty calls a second from one bot: no more are made, and what matters is made first."""

import asyncio
import time
from collections import deque
from collections.abc import Coroutine

import pytest

from bot.adapters.discord.pace import FOR_GROWTH, IN_CHANNEL, MOST, STRETCHED_AFTER, Pace, Precedence
from bot.messages import Reply
from tests.discord_scene import Listener, adapter_for, loopback, running


async def take(pace: Pace, precedence: Precedence, made: list[tuple[Precedence, float]]) -> None:
    await pace.place(precedence)
    pace.made()
    made.append((precedence, time.monotonic()))


async def test_calls_wait_for_their_place_and_no_second_sees_too_many() -> None:
    pace, made = Pace(), list[tuple[Precedence, float]]()
    await asyncio.gather(*(take(pace, Precedence.END, made) for _ in range(MOST + 5)))
    assert made[MOST][1] - made[0][1] >= 1


async def test_what_matters_goes_first_however_late_it_came() -> None:
    pace, made = Pace(), list[tuple[Precedence, float]]()
    for _ in range(MOST):
        await take(pace, Precedence.END, [])
    kinds = (Precedence.GROWTH, Precedence.END, Precedence.SIGN, Precedence.BEGINNING, Precedence.UNSEEN)
    waiting = [asyncio.create_task(take(pace, kind, made)) for kind in kinds]
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)
    assert [kind for kind, _ in made] == sorted(kinds)


async def test_a_growing_answer_leaves_places_for_what_matters() -> None:
    pace = Pace()
    for _ in range(FOR_GROWTH):
        await take(pace, Precedence.GROWTH, [])
    grows = asyncio.create_task(pace.place(Precedence.GROWTH))
    async with asyncio.timeout(0.5):
        await pace.place(Precedence.END)
    assert not grows.done()
    grows.cancel()


async def test_who_no_longer_waits_takes_no_place() -> None:
    pace, made = Pace(), list[tuple[Precedence, float]]()
    for _ in range(MOST):
        pace.made()
    in_vain = [asyncio.create_task(pace.place(Precedence.UNSEEN)) for _ in range(MOST)]
    ends = asyncio.create_task(take(pace, Precedence.END, made))
    await asyncio.sleep(0.05)
    for task in in_vain:
        task.cancel()
    async with asyncio.timeout(5):
        await ends
    assert pace._given == deque()


async def test_calls_that_waited_for_nobody_count_as_well() -> None:
    pace = Pace()
    for _ in range(MOST):
        pace.made()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pace.place(Precedence.UNSEEN), 0.3)


async def test_while_discord_refuses_everything_nobody_gets_a_place() -> None:
    async with loopback() as discord:
        room, ada = discord.channel(discord.guild()), discord.person("Ada")
        adapter, host = adapter_for(discord), Listener()
        async with running(adapter, host):
            await discord.online()
            await discord.say(room, ada, "hello", mention_bot=True)
            await discord.until(lambda: host.messages)
            [question] = host.messages
            discord.throttle("POST", r"/channels/\d+/messages", 0.5, everywhere=True)
            posting = asyncio.create_task(
                adapter.post(question.channel, Reply("Hi."), answers=question.id, nonce="first")
            )
            await discord.until(lambda: discord.called("POST", r"/channels/\d+/messages"))
            await asyncio.sleep(0.1)
            waiting = asyncio.create_task(adapter.ready(question.channel, "begin", "another"))
            await asyncio.sleep(0.1)
            assert not waiting.done()
            async with asyncio.timeout(5):
                assert await waiting
                await posting
            assert [post.content for post in discord.answers(room)] == ["Hi."]


async def test_the_first_words_go_first_to_those_who_have_seen_nothing() -> None:
    pace, begun = Pace(), list[str]()
    await pace.sign("seen")
    for _ in range(MOST):
        pace.made()

    async def begin(channel_id: str) -> None:
        await pace.begin(channel_id)
        begun.append(channel_id)

    async with asyncio.timeout(5):
        await asyncio.gather(begin("seen"), begin("unseen"))
    assert begun == ["unseen", "seen"]


async def too_soon(place: Coroutine[None, None, None]) -> None:
    """Whoever asks for this place has to wait."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(place, 0.2)


async def test_a_channel_keeps_a_place_for_the_end_of_an_answer() -> None:
    pace = Pace()
    for number in range(IN_CHANNEL - 1):
        await pace.grow("channel", f"answer {number}", 1.2)
    await too_soon(pace.grow("channel", "answer", 1.2))
    async with asyncio.timeout(0.5):
        await pace.grow("another channel", "another answer", 1.2)
        await pace.end("channel", "answer")


async def test_a_long_answer_comes_in_larger_steps() -> None:
    pace = Pace()
    for number in range(STRETCHED_AFTER):
        await pace.grow(f"channel {number}", "answer", 1.2)
    await too_soon(pace.grow("channel", "answer", 1.2))
    async with asyncio.timeout(0.5):
        await pace.grow("channel", "answer", 0.0)
