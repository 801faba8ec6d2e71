"""What one model of one server has been found not to take, learned from its refusals and then remembered."""

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass, field
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError

__all__ = ["REMEMBERED_DAYS", "Lessons", "Quirks"]

log = structlog.get_logger(__name__)

REMEMBERED_DAYS = 14
_MOST_KEPT = 200
_LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_MAY_DROP = (
    *_LIMITS,
    "stream_options",
    "reasoning_effort",
    "reasoning",
    "tools",
    "store",
    "response_format",
    "quality",
    "style",
    "size",
    "n",
    "encoding_format",
    "language",
    "languages",
    "prompt",
    "include",
    "chunking_strategy",
    "instructions",
    "partial_images",
    "stream",
)
_ONLY_OF = {"prompt": "/audio/transcriptions", "stream": "/images"}  # elsewhere nothing is left without them
_TOO_HIGH = re.compile(r"too (large|high|big)|at most|less than|exceeds", re.IGNORECASE)
_ROLES_ALTERNATE = re.compile(r"roles? must alternate|must alternate user", re.IGNORECASE)
_NO_TOOLS = re.compile(
    r"(not|n't) support (the use of )?(tool|function)|support tool use|tool choice requires|tools? param requires"
    r"|tools? (are|is) not (supported|available|enabled)",
    re.IGNORECASE,
)
_NO_SYSTEM = re.compile(r"system role|role.{0,12}system|developer instruction", re.IGNORECASE)


@dataclass(slots=True)
class Quirks:
    """How requests to one model have to differ from the usual.

    `responses` is whether it wants to be asked there (true) or cannot be (false), `None` where that is not known.
    """

    dropped: set[str] = field(default_factory=set)
    limit_key: str = ""
    several_languages: bool = False
    effort: str = ""
    merged: bool = False
    no_system: bool = False
    responses: bool | None = None
    at: float = 0.0  # when something was learned last, in seconds since 1970

    def learn(self, path: str, body: dict[str, Any], param: str, text: str) -> bool:
        """Whether something can be changed about `body`, which `path` refused because of `param` or with `text`.

        True once for each thing: what has been changed already is not changed again.
        """
        if "tools" in body and "tools" not in self.dropped and _NO_TOOLS.search(text):
            self.dropped.add("tools")
            return self._learned("tools")
        for key in body:
            if not (param == key or param.startswith((f"{key}.", f"{key}[")) or _names(text, key)):
                continue
            if key in _ONLY_OF and not path.startswith(_ONLY_OF[key]):
                continue
            if key in _LIMITS and not self.limit_key and not _TOO_HIGH.search(text):
                self.limit_key = _LIMITS[key]
                return self._learned(key)
            if _effort(body) == "none" and key in ("reasoning_effort", "reasoning") and not self.effort:
                self.effort = "low"
                return self._learned(key)
            if key == "language" and not self.several_languages:
                self.several_languages = True
                return self._learned(key)
            if key in _MAY_DROP and key not in self.dropped:
                self.dropped.add(key)
                return self._learned(key)
        if "messages" in body and not self.no_system and _NO_SYSTEM.search(text):
            self.no_system = True
            return self._learned("system")
        if "messages" in body and not self.merged and _ROLES_ALTERNATE.search(text):
            self.merged = True
            return self._learned("alternate")
        return False

    def apply(self, body: dict[str, Any]) -> dict[str, Any]:
        """`body` as this model takes it."""
        if self.limit_key:
            body = {self.limit_key if key in _LIMITS else key: value for key, value in body.items()}
        if self.several_languages and "language" in body:
            body = {key: value for key, value in body.items() if key != "language"} | {"languages": [body["language"]]}
        if self.effort and _effort(body) == "none":
            key, effort = (
                ("reasoning", {"effort": self.effort}) if "reasoning" in body else ("reasoning_effort", self.effort)
            )
            body = {**body, key: effort}
        if "tools" in self.dropped and "messages" in body:
            body = {**body, "messages": _without_calls(body["messages"])}
        if self.no_system and "messages" in body:
            said = ({**each, "role": "user"} if each["role"] == "system" else each for each in body["messages"])
            body = {**body, "messages": list(said)}
        if (self.merged or self.no_system) and "messages" in body:
            body = {**body, "messages": _merge(body["messages"])}
        return {key: value for key, value in body.items() if key not in self.dropped}

    def _learned(self, what: str) -> bool:
        log.info("model quirk learned", what=what)
        return True


_QUIRKS = TypeAdapter(Quirks)


class Lessons:
    """The quirks of every model of every server, kept over restarts for a while: servers are changed, too.

    `changed` is set whenever there is something to write down.
    """

    def __init__(self, kept: Any = None) -> None:
        self.changed = asyncio.Event()
        self._quirks: dict[str, Quirks] = {}
        for each in kept if isinstance(kept, list) else ():
            with contextlib.suppress(ValidationError, TypeError, KeyError):
                self._quirks[str(each["model"])] = _QUIRKS.validate_python(each["quirks"])

    def of(self, server: str, model: str) -> Quirks:
        """What is known of a model of the server at this address."""
        name = f"{server} {model}"
        known = self._quirks.get(name)
        if known is None or (known.at and not 0 <= time.time() - known.at < REMEMBERED_DAYS * 86400):
            known = self._quirks[name] = Quirks()
        return known

    def learned(self, quirks: Quirks) -> None:
        """One of them has just changed."""
        quirks.at = time.time()
        self.changed.set()

    def kept(self) -> list[dict[str, Any]]:
        """All of them as JSON, the newest first."""
        found = sorted((each for each in self._quirks.items() if each[1].at), key=lambda each: -each[1].at)
        return [{"model": name, "quirks": _QUIRKS.dump_python(each, mode="json")} for name, each in found[:_MOST_KEPT]]


def _names(text: str, key: str) -> bool:
    """Whether an error text names this key as a word: long names anywhere, short ones only in quotes."""
    if len(key) < 5:
        return bool(re.search(rf"""['"`]{re.escape(key)}['"`]""", text))
    return bool(re.search(rf"(?<![\w.]){re.escape(key)}(?!\w)", text))


def _effort(body: dict[str, Any]) -> Any:
    reasoning = body.get("reasoning")
    return reasoning.get("effort") if isinstance(reasoning, dict) else body.get("reasoning_effort")


def _without_calls(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The conversation for a model without tools: what other models called and got is told in words."""
    told: list[dict[str, Any]] = []
    for message in messages:
        if message["role"] == "tool":
            told.append({"role": "user", "content": f"[What came of it: {message['content']}]"})
        elif "tool_calls" in message:
            named = ", ".join(
                f"{call['function']['name']} {call['function']['arguments']}" for call in message["tool_calls"]
            )
            told.append({"role": "assistant", "content": "\n\n".join(filter(None, (message["content"], f"[{named}]")))})
        else:
            told.append(message)
    return told


def _merge(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours of the same role as one message."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        if merged and merged[-1]["role"] == message["role"] != "tool" and not _calls(merged[-1], message):
            before, after = merged[-1]["content"], message["content"]
            if isinstance(before, str) and isinstance(after, str):
                merged[-1] = {**message, "content": f"{before}\n\n{after}"}
            else:
                merged[-1] = {**message, "content": [*_parts(before), *_parts(after)]}
        else:
            merged.append(message)
    return merged


def _calls(*messages: dict[str, Any]) -> bool:
    return any("tool_calls" in message for message in messages)


def _parts(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
