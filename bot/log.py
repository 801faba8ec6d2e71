"""Logs: plain lines in a terminal, JSON lines elsewhere, and never a secret in either.

What the bot writes and what the libraries write goes through one formatter, so that nothing gets past the redaction.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TextIO

import orjson
import structlog
from pydantic import SecretStr

if TYPE_CHECKING:
    from bot.config import Config

__all__ = ["configure", "redact", "secrets_of"]

# A library that writes more than this writes message texts, SQL parameters, or a line for every request.
_QUIETER = {
    "aiohttp.access": logging.WARNING,
    "aiosqlite": logging.WARNING,
    "alembic": logging.WARNING,
    "asyncio": logging.INFO,
    "azure": logging.WARNING,
    "botbuilder": logging.INFO,
    "botframework": logging.INFO,
    "discord": logging.INFO,
    "discord.client": logging.WARNING,  # that it signs in is told once it has
    "discord.http": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpcore2": logging.WARNING,
    "httpx": logging.WARNING,
    "httpx2": logging.WARNING,
    "markdown_it": logging.WARNING,
    "msal": logging.WARNING,
    "msrest": logging.WARNING,
    "openai": logging.INFO,
    "PIL": logging.WARNING,
    "requests": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "urllib3": logging.WARNING,
}

_HIDDEN = "[redacted]"
_COLOR = re.compile(r"(\x1b\[[0-9;]*m)")
_TELLING = r"(?:token|secret|password|passwd|api[_-]?key|authorization|signature|sig)"  # names of what is secret
_TELLING_FIELD = re.compile(rf"(?i)(?:^|[_-]){_TELLING}$")
_SHAPES = (  # what a secret looks like, what is written instead, and a piece that is in each such text, in lower case
    (re.compile(r"\b[MNO][\w-]{22,27}\.[\w-]{6,7}\.[\w-]{27,45}\b"), _HIDDEN, (".",)),  # a Discord bot's token
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), _HIDDEN, ("eyj",)),  # a JSON web token
    (  # a key of OpenAI, Hugging Face and others
        re.compile(r"\b(?:sk|pk|rk|hf|ghp|xox[abp])[-_][\w-]{8,}"),
        _HIDDEN,
        tuple(f"{start}{mark}" for start in ("k", "hf", "ghp", "xoxa", "xoxb", "xoxp") for mark in "-_"),
    ),
    (re.compile(r"(/webhooks/\d+/)[\w.-]+"), rf"\1{_HIDDEN}", ("/webhooks/",)),
    (re.compile(r"(/interactions/\d+/)[\w.-]+"), rf"\1{_HIDDEN}", ("/interactions/",)),
    (re.compile(r"(?i)\b(bearer|basic)(\s+)[\w.~+/-]{16,}=*"), rf"\1\2{_HIDDEN}", ("bearer", "basic")),
    (
        re.compile(
            rf"""(?i)\b((?:[\w-]*[_-])?{_TELLING})(["'\\]*\s*[=:]\s*["'\\]*)(?!\[red)[^\s"'&,;<>(){{}}\\]{{4,}}"""
        ),
        rf"\1\2{_HIDDEN}",
        ("token", "secret", "passw", "api", "authorization", "sig"),
    ),
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+@"), rf"\1{_HIDDEN}@", ("@",)),  # a password in an address
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without these `secrets`, and without whatever else has the shape of one."""
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    # Colours stand between words without a gap, so they are taken out of the way.
    return "".join(part if part.startswith("\x1b") else _without_shapes(part) for part in _COLOR.split(text))


def _without_shapes(text: str) -> str:
    lower = text.casefold()
    for shape, instead, pieces in _SHAPES:
        if any(piece in lower for piece in pieces):  # looking for a piece takes a fraction of looking for the shape
            text = shape.sub(instead, text)
    return text


def secrets_of(config: "Config") -> tuple[str, ...]:
    """Every secret that is set in a configuration, the longest first."""
    found = [getattr(config, name) for name in type(config).model_fields]
    values = [value.get_secret_value() for value in found if isinstance(value, SecretStr)]
    values += [key for value in values for key in re.findall(r"://:?([^/@\s]+)@", value)]  # one within an address
    return tuple(sorted((value for value in values if len(value) >= 4), key=len, reverse=True))


def configure(level: str, *, secrets: Iterable[str] = (), to: TextIO | None = None) -> None:
    """Send all logs to `to` (by default the standard error output): for people on a terminal, else as JSON lines."""
    stream = sys.stderr if to is None else to
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _without_telling_fields,
    ]
    render: list[structlog.typing.Processor] = [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(_json),
    ]
    if stream.isatty():
        plain = structlog.dev.plain_traceback  # the default one shows the values of local variables
        colors = not os.environ.get("NO_COLOR")
        render = [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        _Redacting(
            tuple(secrets),
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name, least in _QUIETER.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    logging.captureWarnings(capture=True)


def _json(event: structlog.typing.EventDict, default: Callable[[Any], Any]) -> str:
    try:
        return orjson.dumps(event, default, orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # half a character, or a number beyond all measure
        return json.dumps(event, default=default, ensure_ascii=False)


def _without_telling_fields(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return {name: _HIDDEN if value and _TELLING_FIELD.search(name) else value for name, value in event.items()}


class _Redacting(structlog.stdlib.ProcessorFormatter):
    """The last step before a line is written: what it renders, tracebacks included, without any secret."""

    def __init__(self, secrets: tuple[str, ...], **given: Any) -> None:
        super().__init__(**given)
        self._known = secrets

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record), self._known)
