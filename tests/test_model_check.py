"""`parley models`: what is shown of the models, what a try of them finds, and what a script can conclude."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.config import load_config
from bot.modelcheck import Report, look, show
from tests.commands import run
from tests.fakes.openai import FakeOpenAI, faults


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as openai:
        yield openai


async def report_of(openai: FakeOpenAI, *, test: bool = False, **given: Any) -> Report:
    return await look(load_config(**({"openai_base_url": openai.url, "openai_api_key": openai.key} | given)), test=test)


async def test_every_role_is_listed_with_its_models_in_order_and_what_they_cost(openai: FakeOpenAI) -> None:
    report = await report_of(openai, chat_model="gpt-6-luna, mine, openrouter:x/y", embed_model="azure:vectors")
    chat = [(line.place, line.model, line.price, line.note) for line in report.lines if line.role == "chat"]
    assert chat == [
        (1, "gpt-6-luna", "$0.10 + $0.50 a million tokens", ""),
        (2, "mine", "unknown", "the server does not list it"),
    ]
    (embed,) = (line for line in report.lines if line.role == "embed")
    assert (embed.state, embed.place) == ("wrong", 0)
    assert "set AZURE_OPENAI_ENDPOINT" in embed.note
    assert report.servers[0].models == list(openai.models)
    assert report.exit_code == 78
    assert openai.of() == []  # nothing is asked that would cost something


async def test_a_model_that_will_be_gone_is_warned_of(openai: FakeOpenAI) -> None:
    today = datetime.now(UTC).date()
    dates = {"gpt-6-luna": 30, "gpt-transcribe": -1, "gpt-image-2.6-flare": 300}
    openai.listing = {
        "object": "list",
        "data": [
            {"id": name, "shutdown_date": str(today + timedelta(days=dates[name])) if name in dates else None}
            for name in openai.models
        ],
    }
    report = await report_of(openai)
    states = {line.role: line.state for line in report.lines}
    assert (states["chat"], states["speech"], states["image"], states["voice"]) == ("soon", "wrong", "on", "on")
    assert report.lines[0].note == f"will be shut down on {today + timedelta(days=30)}"
    assert report.exit_code == 69


async def test_a_try_asks_each_model_for_something_small_and_tells_what_it_took(
    openai: FakeOpenAI, capsys: pytest.CaptureFixture[str]
) -> None:
    openai.reply_with("Red.")
    report = await report_of(openai, test=True)
    assert report.exit_code == 0
    assert {line.role: line.note for line in report.lines} == {
        "chat": "said “Red.”",
        "vision": "said “Red.”",
        "image": "drew 5 kB",
        "speech": "heard “hello from a voice note”",
        "voice": report.lines[4].note,
        "embed": "8 numbers",
        "moderate": "harmless, as it should",
    }
    assert all(line.seconds is not None and line.micro_dollars is not None for line in report.lines)
    show(report)
    shown = capsys.readouterr().out
    [drawing] = [line for line in shown.splitlines() if line.startswith("image")]
    assert "gpt-image-2.6-flare" in drawing, "on one line, to be searched for"
    assert "$0.006" in drawing
    assert "heard “hello from a voice note”" in shown


@pytest.mark.parametrize(
    ("fault", "code", "says"),
    [
        (faults.status(401, "no"), 78, "check OPENAI_API_KEY"),
        (faults.status(429, "x", code="insufficient_quota"), 78, "run out of credit"),
        (faults.html(), 69, "could not read"),
    ],
)
async def test_a_try_that_fails_says_why(openai: FakeOpenAI, fault: faults.Fault, code: int, says: str) -> None:
    openai.fail_with(fault)
    report = await report_of(openai, test=True)
    assert says in report.lines[0].note
    assert report.lines[0].state == "wrong"
    assert report.exit_code == code


async def test_a_server_that_is_not_there_or_refuses_the_key_is_told_apart(openai: FakeOpenAI) -> None:
    refused = await report_of(openai, openai_api_key="sk-wrong")
    assert (refused.exit_code, refused.servers[0].wrong) == (78, "does not accept the key")
    async with FakeOpenAI() as gone:
        pass
    silent = await report_of(gone)
    assert (silent.exit_code, silent.servers[0].wrong) == (69, "does not answer")


async def test_programs_get_it_as_json(tmp_path: Path) -> None:
    done = await run(tmp_path, "models", "--json")
    assert done.code == 0
    told = json.loads(done.out)
    assert told["models"][0] == {
        "role": "chat",
        "place": 1,
        "state": "on",
        "provider": "practice",
        "model": "built-in",
        "server": "practice model",
        "price": "free",
        "shutdown": "",
        "note": "",
        "seconds": None,
        "micro_dollars": None,
    }
    assert [line["role"] for line in told["models"] if line["state"] == "off"] == ["voice", "embed", "moderate"]
