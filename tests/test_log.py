"""Whatever anybody logs, no secret reaches the log."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from bot import log
from bot.config import load_config

DISCORD = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcdE.abcdefghijklmnopqrstuvwxyz0123456789"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLW9mLWFkYQ"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """What these tests set up for the whole process is taken back."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {
        name: logger.level for name, logger in root.manager.loggerDict.items() if isinstance(logger, logging.Logger)
    }
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, logger in root.manager.loggerDict.items():
        if isinstance(logger, logging.Logger):
            logger.setLevel(levels.get(name, logging.NOTSET))


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"logging in with {DISCORD}", DISCORD),
        ("Incorrect API key provided: sk-proj-abcdEFGH1234567890", "abcdEFGH1234567890"),
        ("hf_abcdefghijklmnop is no good", "abcdefghijklmnop"),
        (f"Authorization: Bearer {JWT}", JWT),
        (f"the token {JWT}, it says", JWT),
        ("GET http://127.0.0.1:3978/?token=Zm9vYmFy-_1&room=2", "Zm9vYmFy-_1"),
        ('{"client_secret": "aBc8Q~x.y-z_0"}', "aBc8Q~x.y-z_0"),
        ("grant_type=client_credentials&client_secret=aBc8Q~x.y&scope=z", "aBc8Q~x.y"),
        ("POST https://discord.com/api/v10/webhooks/12345/aW50ZXJhY3Rpb24-_x/messages", "aW50ZXJhY3Rpb24-_x"),
        ("connect to postgresql://ada:pa55word@db:5432/parley", "pa55word"),
        ("api_key='q1w2e3r4'", "q1w2e3r4"),
        ("hunter-twenty-two is our own", "hunter-twenty-two"),
    ],
)
@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_secret_is_struck_out_wherever_it_stands(text: str, secret: str, stream: type[io.StringIO]) -> None:
    written = stream()
    log.configure("debug", secrets=["hunter-twenty-two"], to=written)
    structlog.get_logger("bot.somewhere").info(text, detail=text)
    logging.getLogger("discord.gateway").warning("it said %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        structlog.get_logger("bot.somewhere").exception("a skill failed", reference="3fa2c1")
    assert secret not in written.getvalue()
    assert written.getvalue().count("redacted") >= 4
    assert "3fa2c1" in written.getvalue()


def test_a_field_with_a_telling_name_is_struck_out_even_in_colour() -> None:
    written = Terminal()
    log.configure("info", to=written)
    structlog.get_logger("bot.somewhere").info("set up", token="shorty", web_token="x1y2", input_tokens=7)
    assert "shorty" not in written.getvalue()
    assert "x1y2" not in written.getvalue()
    assert "7" in written.getvalue()


def test_plain_words_are_left_alone() -> None:
    for text in ("the bot misunderstandings", "tokens: 12, seconds: 3", "a secret garden", "heard again in room 4"):
        assert log.redact(text) == text


def test_away_from_a_terminal_each_line_is_json() -> None:
    written = io.StringIO()
    log.configure("info", to=written)
    structlog.get_logger("bot.dispatch").info("heard", heard=7, characters=12)
    logging.getLogger("asyncio").error("something odd")
    first, second = map(json.loads, written.getvalue().splitlines())
    assert (first["event"], first["heard"], first["level"], first["logger"]) == ("heard", 7, "info", "bot.dispatch")
    assert (second["event"], second["level"]) == ("something odd", "error")


def test_libraries_that_log_what_people_say_are_kept_quiet() -> None:
    written = io.StringIO()
    log.configure("debug", to=written)
    structlog.get_logger("bot.dispatch").debug("ours")
    for name in (
        "discord.gateway",
        "discord.http",
        "openai",
        "httpx",
        "sqlalchemy.engine",
        "aiosqlite",
        "botbuilder.core",
    ):
        logging.getLogger(name).debug("theirs")
    for name in ("aiohttp.access", "sqlalchemy.engine", "httpx"):
        logging.getLogger(name).info("theirs")
    assert "ours" in written.getvalue()
    assert "theirs" not in written.getvalue()


def test_tracebacks_do_not_show_the_values_of_variables() -> None:
    written = Terminal()
    log.configure("info", to=written)
    private = "".join(["what Ada", " said"])
    try:
        int(private[:0])
    except ValueError:
        structlog.get_logger("bot.somewhere").exception("a skill failed")
    assert "Traceback" in written.getvalue()
    assert "what Ada said" not in written.getvalue()


def test_every_secret_that_is_set_is_known_to_the_log() -> None:
    config = load_config(discord_token="one-two-three", web_token="four-five", openai_api_key="six-seven")
    assert sorted(log.secrets_of(config)) == ["four-five", "one-two-three", "six-seven"]
