"""What one model of one server has been found not to take, learned from its refusals and then remembered."""

import re
from dataclasses import dataclass, field
from typing import Any

import structlog

__all__ = ["Quirks"]

log = structlog.get_logger(__name__)

_LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_MAY_DROP = (
    *_LIMITS,
    "stream_options",
    "reasoning_effort",
    "response_format",
    "quality",
    "size",
    "n",
    "encoding_format",
    "language",
)
_TOO_HIGH = re.compile(r"too (large|high|big)|at most|less than|exceeds", re.IGNORECASE)
_ROLES_ALTERNATE = re.compile(r"roles? must alternate|must alternate user", re.IGNORECASE)
_NO_SYSTEM = re.compile(r"system role|role.{0,12}system|developer instruction", re.IGNORECASE)


@dataclass(slots=True)
class Quirks:
    """How requests to one model have to differ from the usual."""

    dropped: set[str] = field(default_factory=set)
    limit_key: str = ""
    effort: str = ""
    merged: bool = False
    no_system: bool = False

    def learn(self, body: dict[str, Any], param: str, text: str) -> bool:
        """Whether something can be changed about `body`, which was refused because of `param` or with `text`.

        True once for each thing: what has been changed already is not changed again.
        """
        for key in body:
            if not (param == key or param.startswith(f"{key}.") or _names(text, key)):
                continue
            if key in _LIMITS and not self.limit_key and not _TOO_HIGH.search(text):
                self.limit_key = _LIMITS[key]
                return self._learned(key)
            if key == "reasoning_effort" and body[key] == "none" and not self.effort:
                self.effort = "low"
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
        if self.effort and "reasoning_effort" in body:
            body["reasoning_effort"] = self.effort
        if self.no_system and "messages" in body:
            body["messages"] = [
                {**message, "role": "user"} if message["role"] == "system" else message for message in body["messages"]
            ]
        if (self.merged or self.no_system) and "messages" in body:
            body["messages"] = _merge(body["messages"])
        return {key: value for key, value in body.items() if key not in self.dropped}

    def _learned(self, what: str) -> bool:
        log.info("model quirk learned", what=what)
        return True


def _names(text: str, key: str) -> bool:
    """Whether an error text names this key as a word: long names anywhere, short ones only in quotes."""
    if len(key) < 5:
        return bool(re.search(rf"""['"`]{re.escape(key)}['"`]""", text))
    return bool(re.search(rf"(?<![\w.]){re.escape(key)}(?!\w)", text))


def _merge(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours of the same role as one message."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        if merged and merged[-1]["role"] == message["role"]:
            before, after = merged[-1]["content"], message["content"]
            if isinstance(before, str) and isinstance(after, str):
                merged[-1] = {**message, "content": f"{before}\n\n{after}"}
            else:
                merged[-1] = {**message, "content": [*_parts(before), *_parts(after)]}
        else:
            merged.append(message)
    return merged


def _parts(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
