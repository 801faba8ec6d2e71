"""Reading a streamed answer: lines to events, events to visible text."""

from collections.abc import Iterator
from typing import Any

import orjson

from bot.models.calls import Calls

__all__ = ["Answer", "EventLines", "MidStreamError", "Thoughts"]

_MOST_EVENT = 1024 * 1024  # bytes of one event


class MidStreamError(Exception):
    """The server reported an error instead of going on."""

    def __init__(self, body: Any) -> None:
        super().__init__("error event")
        self.body = body


class EventLines:
    """Bytes as they come → the data of server-sent events, of at most `most` bytes each. Comments and keep-alives are
    left out.
    """

    def __init__(self, most: int = _MOST_EVENT) -> None:
        self._most = most
        self._rest = b""
        self._event: list[bytes] = []
        self._size = 0

    def feed(self, block: bytes) -> Iterator[bytes]:
        """The data of each event that `block` completes. Raises `ValueError` for one beyond all measure."""
        lines = (self._rest + block).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > self._most:
            raise ValueError("endless line")
        for line in lines:
            line = line.rstrip(b"\r")
            if line.startswith(b"data:"):
                self._event.append(line[5:].strip())
                self._size += len(line)
                if self._size > self._most:
                    raise ValueError("endless event")
            elif not line and self._event:
                yield self._take()

    def end(self) -> Iterator[bytes]:
        """What is left when the stream has ended without a last empty line."""
        yield from self.feed(b"\n\n")

    def _take(self) -> bytes:
        event, self._event, self._size = b"\n".join(self._event), [], 0
        return event


class Answer:
    """One answer as it grows.

    `finish` is the server's reason for ending, empty until then; `refusal` what a model said in place of an answer;
    `calls` are the tools it calls; `usage` the tokens (in, out, of those in: read before) where they were told; `seen`
    whether any event was one of a chat; `progress` whether the last event carried anything, shown or not.
    """

    def __init__(self) -> None:
        self.finish = ""
        self.refusal = ""
        self.calls = Calls()
        self.usage: tuple[int, int, int] | None = None
        self.done = False
        self.seen = False
        self.progress = False
        self._thoughts = Thoughts()

    def take(self, event: bytes) -> str:
        """The text that this event adds. Raises `MidStreamError`, or `ValueError` for what is no event of a chat."""
        self.progress = False
        if event.startswith(b"[DONE]"):
            self.done = True
            return self._thoughts.rest()
        chunk = orjson.loads(event)
        if not isinstance(chunk, dict):
            raise ValueError("not an object")
        return self.take_chunk(chunk)

    def take_chunk(self, chunk: dict[str, Any]) -> str:
        """The same for an event that has been parsed; also for a whole answer that was not streamed."""
        if error := chunk.get("error"):
            raise MidStreamError(error)
        self._count(chunk.get("usage"))
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return ""
        self.seen = True
        choice = choices[0]
        delta = choice.get("delta") or choice.get("message") or {}
        text = ""
        if isinstance(delta, dict):
            text = _text(delta.get("content"))
            refusal = delta.get("refusal")
            self.refusal += refusal if isinstance(refusal, str) else ""
            thought = delta.get("reasoning_content") or delta.get("reasoning")
            called = self.calls.add(delta.get("tool_calls"))
            self.progress = bool(text or refusal or thought or called)
        finish = choice.get("finish_reason")
        shown = self._thoughts.without(text) if text else ""
        if isinstance(finish, str) and finish:
            self.finish = finish
            self.progress = True
            shown += self._thoughts.rest()
        return shown

    def _count(self, usage: Any) -> None:
        if isinstance(usage, dict):
            told = usage.get("prompt_tokens"), usage.get("completion_tokens")
            if all(isinstance(number, int) and number >= 0 for number in told):
                details = usage.get("prompt_tokens_details")
                cached = details.get("cached_tokens") if isinstance(details, dict) else 0
                self.usage = (int(told[0] or 0), int(told[1] or 0), cached if isinstance(cached, int) else 0)


class Thoughts:
    """Takes out the `<think>` block that some models begin with."""

    _OPEN, _CLOSE = "<think>", "</think>"

    def __init__(self) -> None:
        self._held = ""
        self._state = "start"

    def without(self, text: str) -> str:
        """The part of `text` that is not thought. At the very start a little is held back until that is certain."""
        if self._state == "answer":
            return text
        self._held += text
        if self._state == "start":
            begun = self._held.lstrip()
            if begun.startswith(self._OPEN):
                self._held, self._state = begun[len(self._OPEN) :], "thinking"
            elif self._OPEN.startswith(begun):
                return ""
            else:
                return self._answer(self._held)
        before, close, after = self._held.partition(self._CLOSE)
        if close:
            return self._answer(after.lstrip())
        self._held = before[-len(self._CLOSE) :]
        return ""

    def rest(self) -> str:
        """What was held back and turned out to be no thought, when the answer has ended."""
        held = self._held if self._state == "start" else ""
        self._held = ""
        return held

    def _answer(self, text: str) -> str:
        # The line breaks after a thought may still be on their way.
        if self._state == "thinking" and not text:
            self._state, self._held = "start", ""
            return ""
        self._held, self._state = "", "answer"
        return text


def _text(content: Any) -> str:
    """Some servers send the text in parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text")
        return "".join(part for part in parts if isinstance(part, str))
    return ""
