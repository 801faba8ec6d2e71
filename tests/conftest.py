"""What every test may use: a configuration of its own, an open store, a room with a scripted model in it."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from bot.config import Config, load_config
from storage import Store, open_store
from tests.prepared import prepared
from tests.room import Room

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.fakes.teams import FakeTeams
    from tests.teams_bot import TeamsBot


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the keys, the proxies or the `.env` of whoever runs it."""
    for name in list(os.environ):
        if name.startswith(("PARLEY_", "OPENAI_", "AZURE_", "TEAMS_", "DISCORD_", "HF_", "OPENROUTER_")) or name in (
            "PORT",
            "DATABASE_URL",
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PARLEY_PROBE", "0")
    monkeypatch.chdir(tmp_path)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> "AsyncIterator[Browser]":
    """One Chromium for all tests of the page; each opens a window of its own in it."""
    from tests.browser import chromium

    async with chromium() as browser:
        yield browser


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(folder=prepared(tmp_path / "parley"), port=0)


@pytest.fixture
async def store(config: Config) -> AsyncIterator[Store]:
    store = await open_store(config.database)
    yield store
    await store.close()


@pytest.fixture
async def room(config: Config, store: Store) -> AsyncIterator[Room]:
    async with Room(config, store) as room:
        yield room


# botbuilder takes a while to import: only who uses it waits for it.


@pytest.fixture
async def teams() -> "AsyncIterator[FakeTeams]":
    from tests.fakes.teams import FakeTeams

    async with FakeTeams() as teams:
        yield teams
        assert teams.leaks == []


@pytest.fixture
async def bot(teams: "FakeTeams", store: Store) -> "AsyncIterator[TeamsBot]":
    """The Teams adapter, signed in, without the core."""
    from tests.teams_bot import TeamsBot

    async with TeamsBot(teams, store) as bot:
        yield bot
