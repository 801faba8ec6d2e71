"""What a supervisor, a load balancer and an operator can ask, and the signal to read the configuration anew."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.adapter import Overloaded
from bot.app import Parley
from bot.config import Config, load_config
from bot.health import Health, Resources
from bot.models import Usage
from bot.testing import FakeAdapter, ScriptedModel, models_of
from storage import Store
from tests.commands import DEADLINE, command
from tests.fakes.openai import FakeOpenAI
from tests.room import Room


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as openai:
        yield openai


async def asked(session: aiohttp.ClientSession, url: str, **given: Any) -> tuple[int, dict[str, Any]]:
    async with session.get(url, **given) as response:
        return response.status, await response.json()


async def test_alive_and_ready_are_told_in_numbers_and_only_to_those_who_may_know(
    config: Config, openai: FakeOpenAI
) -> None:
    config = load_config(folder=config.folder, port=0, openai_base_url=openai.url, openai_api_key=openai.key)
    parley = await Parley.open(config, only=("web",))
    ready = asyncio.Event()
    running = asyncio.create_task(parley.run(ready.set))
    try:
        await ready.wait()
        here = f"http://127.0.0.1:{parley.server.port}"
        async with aiohttp.ClientSession() as session:
            status, facts = await asked(session, f"{here}/healthz")
            assert (status, facts["alive"]) == (200, True)
            assert facts["memory_mib"] > 20
            assert 0 < facts["open_files"] < facts["most_open_files"]
            status, facts = await asked(session, f"{here}/readyz")
            assert (status, facts["ready"], facts["troubles"]) == (200, True, {})
            assert facts["storage"]["write_seconds"] < 2
            assert facts["turns"] == {"running": 0, "waiting": 0}
            assert list(facts["platforms"]) == ["web"]
            looked = len([call for call in openai.calls if call.path.endswith("/models")])
            for _ in range(3):
                await asked(session, f"{here}/readyz")
            assert len([call for call in openai.calls if call.path.endswith("/models")]) == looked, (
                "not asked each time"
            )
            assert openai.of() == [], "nothing that is paid for was asked"
            status, facts = await asked(session, f"{here}/readyz", headers={"Host": "bot.example"})
            assert facts == {"ready": True, "troubles": []}, "strangers learn no more than that"
    finally:
        parley.stop()
        await running
        await parley.close()


class Proc(Resources):
    """A process that uses as much as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.most_memory, self.used, self.opened = 1000 << 20, 100 << 20, 10

    def memory(self) -> int:
        return self.used

    def files(self) -> tuple[int, int]:
        return self.opened, 100


@pytest.fixture
def health(room: Room, store: Store) -> Health:
    return Health([room.adapter], store, models_of(room.model), room.dispatch, lambda: 0.0, Proc())


async def test_what_is_in_the_way_is_named(room: Room, health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await health.ready())["ready"]
    monkeypatch.setattr(FakeAdapter, "trouble", "the gateway is gone")
    monkeypatch.setattr(FakeAdapter, "facts", lambda self: {"heartbeat_seconds_ago": 71.234})
    await room.ask("Hi")
    facts = await health.ready()
    assert facts["troubles"] == {"fake": "the gateway is gone"}
    assert facts["platforms"]["fake"]["heartbeat_seconds_ago"] == 71.23
    assert facts["platforms"]["fake"]["question_seconds_ago"] < 10


async def test_a_model_server_that_does_not_answer_is_trouble_but_not_looked_at_all_the_time(
    room: Room, store: Store
) -> None:
    class Away(ScriptedModel):
        looks = 0

        async def look(self) -> str:
            self.looks += 1
            raise OSError("nobody is there")

    model = Away()
    health = Health([room.adapter], store, models_of(model), room.dispatch, lambda: 0.0, Proc())
    for _ in range(3):
        assert (await health.ready())["troubles"] == {"scripted model": "it does not answer (OSError)"}
    assert model.looks == 1
    assert model.cost(Usage("", "", "chat")) == 0


async def test_memory_sounds_an_alarm_first_and_then_nothing_new_is_taken_on(
    room: Room, health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.health.WATCH_SECONDS", 0.01)
    proc = health._resources
    assert isinstance(proc, Proc)
    watching = asyncio.create_task(health.watch())
    try:
        proc.used = 850 << 20
        assert (await health.ready())["troubles"] == {"memory": "850 of 1000 MiB are used"}
        assert (await room.ask("Hi")).text == "You said: Hi"
        proc.used, proc.opened = 100 << 20, 95
        async with asyncio.timeout(5):
            while not room.dispatch.strained:
                await asyncio.sleep(0.01)
        assert (await room.ask("Hi")).text.startswith("There is more to answer than I can take on")
        proc.opened = 10
        async with asyncio.timeout(5):
            while room.dispatch.strained:
                await asyncio.sleep(0.01)
        assert (await room.ask("Hi")).text == "You said: Hi"
    finally:
        watching.cancel()
        await asyncio.wait([watching])
    assert issubclass(Overloaded, Exception)


async def test_a_hangup_reads_the_configuration_anew_and_a_wrong_one_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PARLEY_TURNS_PER_MINUTE=10\n")
    async with command(tmp_path / "parley", "run") as parley:

        async def said(what: str) -> dict[str, Any]:
            assert parley.process.stderr is not None
            async with asyncio.timeout(DEADLINE):
                async for line in parley.process.stderr:
                    entry: dict[str, Any] = json.loads(line)
                    if entry["event"].startswith(what):
                        return entry
            raise AssertionError(f"it never said {what}")

        await said("ready")
        (tmp_path / ".env").write_text("PARLEY_TURNS_PER_MINUTE=none\nPARLEY_KEEP_DAYS=0\n")
        parley.process.send_signal(signal.SIGHUP)
        wrong = await said("the configuration is wrong")
        assert len(wrong["mistakes"]) == 2
        (tmp_path / ".env").write_text(
            "PARLEY_TURNS_PER_MINUTE=3\nPARLEY_TEAMS_TENANTS=elsewhere\nPARLEY_CHAT_MODEL=other\n"
        )
        parley.process.send_signal(signal.SIGHUP)
        assert (await said("the configuration was read anew"))["takes_a_restart"] == ["PARLEY_TEAMS_TENANTS"]
        assert (await parley.end(by=signal.SIGTERM)).code == 0
