"""What is taken over while Parley runs, and what it still knows of its models after a restart."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bot.app import LESSONS, Parley
from bot.config import Config, load_config
from bot.models.quirks import Lessons
from bot.testing import FakeAdapter
from tests.discord_scene import loopback
from tests.fakes.openai import FakeOpenAI, faults
from tests.model_rig import Turn
from tests.page_visitor import Visitor, eventually


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI(key="sk-the-first-key") as openai:
        yield openai


@asynccontextmanager
async def parley_of(config: Config, *platforms: str) -> AsyncIterator[Parley]:
    """Parley, running with its page, or on these platforms."""
    parley = await Parley.open(config, only=platforms or ("web",))
    ready = asyncio.Event()
    running = asyncio.create_task(parley.run(ready.set))
    try:
        await asyncio.wait([running, asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
        yield parley
    finally:
        parley.stop()
        await running
        await parley.close()


@asynccontextmanager
async def page_of(parley: Parley) -> AsyncIterator[Visitor]:
    token = parley.adapters[0].greeting.partition("token=")[2]
    here = f"http://127.0.0.1:{parley.server.port}"
    async with aiohttp.ClientSession(here, headers={"Authorization": f"Bearer {token}"}) as http:
        yield Visitor(None, http)  # type: ignore[arg-type]  # it has no need of more


async def one(openai: FakeOpenAI) -> bool:
    return len(openai.of()) == 1


async def test_a_new_key_is_used_from_the_next_question_on_and_no_answer_breaks_off(
    config: Config, openai: FakeOpenAI
) -> None:
    def read(key: str, **more: Any) -> Config:
        given = {"openai_base_url": openai.url, "openai_api_key": key}
        return load_config(folder=config.folder, port=0, **given, **more)

    room = "00000000-0000-4000-8000-000000000001"
    async with parley_of(read(openai.key)) as parley, page_of(parley) as page:
        openai.reply_with("One two three four.")
        openai.hold()
        await page.say("Count.", room=room)
        await eventually(lambda: one(openai))
        openai.key = "sk-the-second-key"
        assert await parley.reload(read(openai.key, teams_name="Other")) == ["PARLEY_TEAMS_NAME"]
        await openai.release()
        await parley.dispatch.idle()
        assert (await page.messages(room))[-1]["text"] == "One two three four."
        await page.say("And now?", room=room, new=False)
        await parley.dispatch.idle()
        assert [call.headers["authorization"] for call in openai.of()] == [
            "Bearer sk-the-first-key",
            "Bearer sk-the-second-key",
        ]
        assert (await page.messages(room))[-1]["text"] == "One two three four."


async def test_the_old_token_of_the_page_opens_nothing_any_more(config: Config) -> None:
    def read(token: str) -> Config:
        return load_config(folder=config.folder, port=0, probe=False, web_token=token)

    async with parley_of(read("the-first-token")) as parley, aiohttp.ClientSession() as http:
        here = f"http://127.0.0.1:{parley.server.port}/api"

        async def status(token: str) -> int:
            async with http.get(f"{here}/status", headers={"Authorization": f"Bearer {token}"}) as response:
                return response.status

        open_page = await http.ws_connect(f"{here}/events?token=the-first-token")
        assert await status("the-first-token") == 200
        assert await parley.reload(read("the-second-token")) == []
        assert [await status("the-first-token"), await status("the-second-token")] == [401, 200]
        async with asyncio.timeout(10):
            while (await open_page.receive()).type != aiohttp.WSMsgType.CLOSE:
                pass
        assert "the-second-token" in parley.adapters[0].greeting


async def test_what_was_learned_of_a_model_is_known_after_a_restart_and_forgotten_after_two_weeks(
    config: Config, openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(folder=config.folder, port=0, openai_base_url=openai.url, openai_api_key=openai.key)
    openai.fail_with(faults.status(400, "Unrecognized request argument supplied: stream_options"))
    async with parley_of(config) as parley:
        await Turn(parley.models).ask("hello")
        async with asyncio.timeout(10):
            while not await parley.store.noted(*LESSONS):
                await asyncio.sleep(0.01)
    async with parley_of(config) as parley:
        await Turn(parley.models).ask("hello")
    assert ["stream_options" in call.body for call in openai.of()] == [True, False, False]
    later = time.time() + 15 * 24 * 3600
    monkeypatch.setattr("bot.models.quirks.time.time", lambda: later)
    async with parley_of(config) as parley:
        await Turn(parley.models).ask("hello")
    assert "stream_options" in openai.of()[-1].body, "servers are changed, too"


def test_lessons_that_make_no_sense_are_left_out() -> None:
    now = time.time()
    wrong = [{"model": "a b"}, {"model": 3, "quirks": {"at": "never"}}, "no", None]
    lessons = Lessons([*wrong, {"model": "a b", "quirks": {"merged": True, "at": now}}])
    assert lessons.of("a", "b").merged
    assert [each["model"] for each in lessons.kept()] == ["a b"]
    assert Lessons("nothing").kept() == []


async def test_a_new_token_brings_discord_back_even_when_the_old_one_was_refused(config: Config) -> None:
    async with loopback() as discord:
        guild, ada = discord.guild(), discord.person("Ada")
        discord.join(guild, ada)
        room = discord.channel(guild)

        def read(token: str) -> Config:
            given = {"discord_token": token, "discord_api": discord.api, "probe": False}
            return load_config(folder=config.folder, port=0, **given)

        async with parley_of(read(discord.token), "web", "discord") as parley:
            parley.adapters.append(FakeAdapter(config, parley.store))  # without any, it would end for the refusal
            await discord.online()
            await discord.say(room, ada, "Hello", mention_bot=True)
            await discord.until(lambda: discord.answers(room))
            await parley.dispatch.idle()

            discord.token = "the.second.token"
            assert await parley.reload(read(discord.token)) == []
            await discord.say(room, ada, "Still there?", mention_bot=True)
            await discord.until(lambda: len(discord.answers(room)) == 2)
            await parley.dispatch.idle()

            discord.token = "the.third.token"
            await discord.say(room, ada, "And now?", mention_bot=True)
            await discord.until(lambda: "discord" in parley.off)
            assert await parley.reload(read(discord.token)) == []
            assert "discord" not in parley.off
            await discord.online()
            await discord.say(room, ada, "Here again?", mention_bot=True)
            await discord.until(lambda: len(discord.answers(room)) == 3)
            await parley.dispatch.idle()
