"""What can go wrong with a model, and what a person is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from bot.messages import Attachment
from bot.models import (
    BadReply,
    Busy,
    Empty,
    ModelError,
    NoCredit,
    NotConfigured,
    Prompt,
    Refused,
    TooLong,
    Truncated,
    Unavailable,
)
from bot.models.profiles import PROFILES
from tests.fakes.openai import FakeOpenAI, faults
from tests.model_rig import Turn, models_at, models_of
from tests.sounds import tone, wav

NOTE = Attachment("v.wav", "audio/wav", wav(tone(0.5)))


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


@pytest.mark.parametrize(
    ("fault", "partial", "error", "says"),
    [
        (faults.cut(2), "one two", Truncated, "cut off"),
        (faults.no_finish(2), "one two", Truncated, "cut off"),
        (faults.error_event(2), "one two", Truncated, "cut off"),
        (faults.broken_json(2), "one two", Truncated, "cut off"),
        (faults.length(2), "one two", Truncated, "length limit"),
        (faults.content_filter(2), "one two", Refused, "declined"),
        (faults.content_filter(0), "", Refused, "declined"),
        (faults.refusal("I will not."), "", Refused, "I will not."),
        (faults.empty(), "", Empty, "no answer"),
        (faults.cut(0), "", Unavailable, "cannot be reached"),
        (faults.no_finish(0), "", BadReply, "could not read"),
        (faults.broken_json(0), "", BadReply, "could not read"),
        (faults.html(), "", BadReply, "could not read"),
        (faults.raw(b"{}"), "", BadReply, "could not read"),
        (faults.raw(b"[]"), "", BadReply, "could not read"),
        (faults.raw(b'{"choices": null}'), "", BadReply, "could not read"),
        (faults.raw(b"{}", "text/event-stream"), "", BadReply, "could not read"),
        (faults.raw(b"", "text/event-stream"), "", BadReply, "could not read"),
        (faults.raw(b"data: \xff\xfe\n\n", "text/event-stream"), "", BadReply, "could not read"),
        (faults.raw(b"data: " + b"x" * 20_000_000, "text/event-stream"), "", BadReply, "could not read"),
        (faults.error_event(0, "No money", code="insufficient_quota"), "", NoCredit, "run out of credit"),
        (faults.status(402, "Payment required"), "", NoCredit, "run out of credit"),
        (faults.status(429, "You exceeded your quota", code="insufficient_quota"), "", NoCredit, "run out of credit"),
        (faults.status(429, "Slow down", retry_after=300), "", Busy, "in 5 minutes"),
        (faults.status(401, "Incorrect API key"), "", NotConfigured, "check OPENAI_API_KEY"),
        (faults.status(403, "Forbidden"), "", NotConfigured, "check OPENAI_API_KEY"),
        (faults.status(404, "No such model", code="model_not_found"), "", NotConfigured, "set PARLEY_CHAT_MODEL"),
        (faults.status(307, "Go elsewhere"), "", NotConfigured, "correct OPENAI_BASE_URL"),
        (faults.status(400, "The response was filtered", code="content_filter"), "", Refused, "declined"),
        (faults.status(400, "Too much", code="context_length_exceeded"), "", TooLong, "too long"),
        (faults.status(413, "Too large"), "", TooLong, "too long"),
    ],
)  # fmt: skip
async def test_every_fault_has_its_own_words_and_is_asked_only_once(
    openai: FakeOpenAI, turn: Turn, fault: faults.Fault, partial: str, error: type[ModelError], says: str
) -> None:
    openai.reply_with("one two three four")
    openai.fail_with(fault)
    text, caught = await turn.fail("hello")
    assert (text, type(caught)) == (partial, error)
    assert says in str(caught)
    assert len(openai.of()) == 1
    assert await turn.ask("hello") == "one two three four"


@pytest.mark.parametrize("silence", [faults.stall, faults.pings])
@pytest.mark.parametrize(("after", "first", "gap", "error"), [(0, 0.5, 9, Unavailable), (2, 9, 0.5, Truncated)])
async def test_silence_and_pings_end_by_the_deadline_and_keep_what_was_said(
    openai: FakeOpenAI,
    silence: Callable[[int], faults.Fault],
    after: int,
    first: float,
    gap: float,
    error: type[ModelError],
) -> None:
    openai.reply_with("one two three")
    openai.fail_with(silence(after))
    profile = replace(PROFILES["custom"], first=first, gap=gap)
    async with models_of(openai.url, "gpt-6-luna", key=openai.key, profile=profile) as turn:
        async with asyncio.timeout(5):
            text, caught = await turn.fail()
        assert (text, type(caught)) == ("one two"[: after * 4].strip(), error)
        assert turn.used[0].estimated
        assert turn.used[0].input_tokens > 0


async def test_a_model_that_thinks_aloud_is_not_taken_for_a_dead_one() -> None:
    """Every thought comes in time, although the first word does not."""
    server = await asyncio.start_server(_thinker, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        async with models_of(url, "m", profile=replace(PROFILES["custom"], first=1.0, gap=1.0)) as turn:
            assert await turn.ask("think") == "done"


async def _thinker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
    for _ in range(4):
        writer.write(b'data: {"choices": [{"delta": {"reasoning_content": "hm"}}]}\n\n')
        await writer.drain()
        await asyncio.sleep(0.35)
    writer.write(b'data: {"choices": [{"delta": {"content": "done"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')
    await writer.drain()
    writer.close()


async def test_a_busy_model_is_waited_for_once_and_that_is_shown(openai: FakeOpenAI, turn: Turn) -> None:
    openai.fail_with(faults.status(429, "Slow down", retry_after=0.2))
    assert await turn.ask("hello") == "echo: hello (1 messages)"
    assert [status.text for status in turn.shown] == ["The model is busy; I am waiting for it …"]
    openai.fail_with(faults.status(429, "Slow down"), times=2)
    assert "in a minute" in str((await turn.fail())[1])
    assert len(openai.of()) == 4


@pytest.mark.parametrize("number", [500, 502, 503, 529])
async def test_a_stumbling_server_is_asked_three_times_at_most(openai: FakeOpenAI, turn: Turn, number: int) -> None:
    openai.fail_with(faults.status(number), times=2)
    assert await turn.ask("hello") == "echo: hello (1 messages)"
    openai.fail_with(faults.status(number), times=3)
    _, error = await turn.fail()
    assert isinstance(error, Unavailable)
    assert len(openai.of()) == 6


async def test_a_server_that_is_not_there_is_said_to_be_so(openai: FakeOpenAI) -> None:
    async with FakeOpenAI() as gone:
        pass
    async with models_of(gone.url, "gpt-6-luna") as turn:
        assert "The model server cannot be reached" in str((await turn.fail())[1])


async def test_a_name_that_leads_nowhere_and_a_server_without_tls_are_out_of_reach(openai: FakeOpenAI) -> None:
    for url in ("http://nowhere.invalid/v1", openai.url.replace("http://", "https://")):
        async with models_of(url, "gpt-6-luna", key="k") as turn:
            _, error = await turn.fail()
            assert isinstance(error, Unavailable)
            with pytest.raises(Unavailable):
                await turn.models.transcribe(NOTE)


async def test_the_operator_is_told_of_a_refused_key_once_in_ten_minutes(
    openai: FakeOpenAI, turn: Turn, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    openai.fail_with(faults.status(401, "no"), times=3)
    for _ in range(2):
        await turn.fail()
    assert capsys.readouterr().out.count("does not accept the key") == 1
    monkeypatch.setattr("bot.models.wire._ALERT_AGAIN", 0.0)
    await turn.fail()
    assert capsys.readouterr().out.count("does not accept the key") == 1


async def test_a_drawing_that_never_comes_is_given_up(
    openai: FakeOpenAI, turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.models.drawing._WHOLE", 0.3)
    openai.fail_with(faults.stall(), path="/images/generations", times=2)
    with pytest.raises(Unavailable):
        await turn.models.image("a fox")
    assert [(used.pictures, used.estimated) for used in turn.used] == [(1, True)]  # it may have been painted


@pytest.mark.parametrize("path", ["/images/generations", "/audio/transcriptions", "/audio/speech", "/embeddings"])
@pytest.mark.parametrize(
    ("fault", "error", "calls"),
    [
        (faults.status(401, "no"), NotConfigured, 1),
        (faults.status(429, "x", code="insufficient_quota"), NoCredit, 1),
        (faults.status(429, "x", retry_after=300), Busy, 1),
        (faults.status(400, "filtered", code="content_filter"), Refused, 1),
        (faults.status(404, "no such model"), NotConfigured, 1),
        (faults.html(), BadReply, 1),
        (faults.status(503), Unavailable, 3),
    ],
)
async def test_other_calls_fail_in_the_same_words(
    openai: FakeOpenAI, turn: Turn, path: str, fault: faults.Fault, error: type[ModelError], calls: int
) -> None:
    openai.fail_with(fault, path=path, times=3)
    ask: dict[str, Callable[[], Awaitable[object]]] = {
        "/images/generations": lambda: turn.models.image("a fox"),
        "/audio/transcriptions": lambda: turn.models.transcribe(NOTE),
        "/audio/speech": lambda: turn.models.speak("Hello."),
        "/embeddings": lambda: turn.models.embed(["fox"]),
    }
    with pytest.raises(error):
        await ask[path]()
    assert len(openai.of(path)) == min(calls, 2 if "images" in path else calls)


async def test_a_server_that_fails_again_and_again_is_left_alone(openai: FakeOpenAI, turn: Turn) -> None:
    openai.fail_with(faults.status(500), times=100)
    for _ in range(6):
        await turn.fail()
    assert len(openai.of()) == 10


async def test_too_long_a_conversation_loses_its_older_half_and_is_asked_again(openai: FakeOpenAI, turn: Turn) -> None:
    openai.fail_with(faults.status(400, "This model's maximum context length is 8 tokens."))
    said = [Prompt("system", "Be kind."), *(f"line {number}" for number in range(5)), "the question"]
    assert await turn.ask(*said) == "echo: the question (4 messages)"
    assert [message["content"] for message in openai.of()[1].messages] == [
        "Be kind.",
        "line 3",
        "line 4",
        "the question",
    ]


async def test_what_a_server_does_not_take_is_learned_once(openai: FakeOpenAI) -> None:
    profile = replace(PROFILES["custom"], limit_key="max_tokens")
    async with models_of(openai.url, "gpt-6-luna", key=openai.key, profile=profile) as turn:
        await turn.ask("hello", max_tokens=50)
        await turn.ask("hello", max_tokens=60)
    limits = [{key: value for key, value in call.body.items() if key.startswith("max_")} for call in openai.of()]
    assert limits == [{"max_tokens": 50}, {"max_completion_tokens": 50}, {"max_completion_tokens": 60}]


@pytest.mark.parametrize(
    ("fault", "gone"),
    [
        (faults.status(400, "Unrecognized request argument supplied: stream_options"), "stream_options"),
        (faults.raw(b'{"detail":[{"loc":["body","stream_options"],"type":"x"}]}', status=422), "stream_options"),
        (faults.status(400, "max_completion_tokens is too large: 4096. At most 512."), "max_completion_tokens"),
    ],
)  # fmt: skip
async def test_what_a_server_refuses_by_name_is_left_out(
    openai: FakeOpenAI, turn: Turn, fault: faults.Fault, gone: str
) -> None:
    openai.fail_with(fault)
    await turn.ask("hello")
    await turn.ask("hello")
    assert [gone in call.body for call in openai.of()] == [True, False, False]


async def test_a_model_that_wants_roles_to_alternate_gets_them_so(openai: FakeOpenAI, turn: Turn) -> None:
    openai.fail_with(faults.status(500, "Jinja template: Conversation roles must alternate user/assistant"))
    await turn.ask("first", "second", Prompt("assistant", "third"), "fourth")
    assert [(m["role"], m["content"]) for m in openai.of()[1].messages] == [
        ("user", "first\n\nsecond"),
        ("assistant", "third"),
        ("user", "fourth"),
    ]


async def test_openai_itself_is_told_how_little_to_think(openai: FakeOpenAI) -> None:
    async with models_of(openai.url, "gpt-6-luna", key=openai.key, profile=PROFILES["openai"]) as turn:
        await turn.ask("hello")
        openai.fail_with(faults.status(400, "Unsupported value: 'none'", param="reasoning_effort"))
        await turn.ask("hello")
    assert [call.body["reasoning_effort"] for call in openai.of()] == ["none", "none", "low"]
    assert openai.of()[0].body["max_completion_tokens"] == 4096


async def test_nothing_secret_or_private_is_logged(
    openai: FakeOpenAI, turn: Turn, capsys: pytest.CaptureFixture[str]
) -> None:
    for fault in (faults.status(401, "no"), faults.status(400, "bad: my private words"), faults.cut(1), faults.html()):
        openai.fail_with(fault)
        await turn.fail("my private words")
    logged = capsys.readouterr()
    assert "does not accept the key" in logged.out + logged.err
    assert openai.key not in logged.out + logged.err
    assert "private words" not in logged.out + logged.err


async def test_no_proxy_comes_between_us_and_this_machine(openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with models_at(openai) as turn:
        assert await turn.ask("hello") == "echo: hello (1 messages)"
