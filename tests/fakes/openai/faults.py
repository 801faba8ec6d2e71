"""What a model server can do wrong. `after` counts the pieces of text that come before it."""

from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Fault",
    "broken_json",
    "content_filter",
    "cut",
    "empty",
    "error_event",
    "html",
    "length",
    "no_finish",
    "not_streamed",
    "pings",
    "raw",
    "refusal",
    "stall",
    "status",
]


@dataclass(frozen=True)
class Fault:
    """One way to fail: `kind` says how, the rest is what that way needs."""

    kind: str
    after: int = 0
    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    text: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)


def status(
    number: int,
    /,
    message: str = "The server had an error while processing your request.",
    *,
    retry_after: float | str | None = None,
    **error: Any,
) -> Fault:
    """An error status with OpenAI's kind of body; `error` may give its `code`, `type` and `param`."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    told = {"message": message, "type": "server_error", "param": None, "code": None} | error
    return Fault("status", status=number, error=told, headers=headers)


def html() -> Fault:
    """A page with status 200, as a proxy or a captive portal sends it."""
    return Fault("raw", body=b"<!doctype html><title>Sign in</title>", content_type="text/html; charset=utf-8")


def raw(body: bytes, content_type: str = "application/json", status: int = 200) -> Fault:
    """Exactly these bytes."""
    return Fault("raw", body=body, content_type=content_type, status=status)


def cut(after: int = 2) -> Fault:
    """The connection is torn down in the middle."""
    return Fault("cut", after)


def no_finish(after: int = 2) -> Fault:
    """The stream ends in good order, but nothing says why."""
    return Fault("no_finish", after)


def stall(after: int = 0) -> Fault:
    """Nothing more comes, and the connection stays open."""
    return Fault("stall", after)


def pings(after: int = 0) -> Fault:
    """Only keep-alive comments come, for ever."""
    return Fault("pings", after)


def content_filter(after: int = 2) -> Fault:
    """The answer ends with `finish_reason: content_filter`."""
    return Fault("content_filter", after)


def length(after: int = 2) -> Fault:
    """The answer ends with `finish_reason: length`."""
    return Fault("length", after)


def refusal(text: str = "I cannot help with that.") -> Fault:
    """The model says in `refusal` that it will not answer."""
    return Fault("refusal", text=text)


def empty() -> Fault:
    """A complete answer without any text."""
    return Fault("empty")


def error_event(after: int = 2, message: str = "The server is overloaded.", **error: Any) -> Fault:
    """An error object in the middle of the stream."""
    return Fault("error_event", after, error={"message": message, "type": "server_error"} | error)


def broken_json(after: int = 2) -> Fault:
    """An event that is no JSON."""
    return Fault("broken_json", after)


def not_streamed() -> Fault:
    """The whole answer as one JSON object although a stream was asked for."""
    return Fault("not_streamed")
