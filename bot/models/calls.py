"""Tool calls as they come out of a stream: in pieces, several at once, with or without a number or an id."""

import secrets
import string
from dataclasses import dataclass
from typing import Any

import orjson

from bot.models.provider import ToolCall

__all__ = ["Calls", "arguments_of"]

_MOST_BYTES = 128 * 1024  # of all arguments together
_LETTERS = string.ascii_letters + string.digits


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: str = ""

    @property
    def whole(self) -> bool:
        return bool(self.arguments) and arguments_of(self.arguments) is not None


class Calls:
    """The tool calls of one answer as it grows."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._numbered: dict[int, _Call] = {}
        self._size = 0

    def __bool__(self) -> bool:
        return any(call.name for call in self._calls)

    def add(self, pieces: Any) -> bool:
        """Take the `tool_calls` of one delta or of a whole message; whether there was anything in them.

        Raises `ValueError` beyond all measure.
        """
        moved = False
        for piece in pieces if isinstance(pieces, list) else ():
            function = piece.get("function") if isinstance(piece, dict) else None
            if not isinstance(function, dict):
                continue
            name, arguments = _text(function.get("name")), _raw(function.get("arguments"))
            call = self._call_for(piece.get("index"), _text(piece.get("id")), name)
            call.name += "" if name == call.name else name
            call.arguments += arguments
            self._size += len(name) + len(arguments)
            if self._size > _MOST_BYTES:
                raise ValueError("endless call")
            moved = True
        return moved

    def finished(self) -> list[ToolCall]:
        """The calls in order, when the answer has ended."""
        return [
            ToolCall(call.id or _new_id(), call.name, arguments_of(call.arguments)) for call in self._calls if call.name
        ]

    def _call_for(self, index: Any, call_id: str, name: str) -> _Call:
        """The call that a piece belongs to: by its number, else by its id, else the one that is being written."""
        call: _Call | None = None
        if isinstance(index, int):
            call = self._numbered.get(index)
        elif call_id:
            call = next((each for each in self._calls if each.id == call_id), None)
        elif self._calls and not (name and (name != self._calls[-1].name or self._calls[-1].whole)):
            call = self._calls[-1]
        if call is None or (call_id and call.id and call.id != call_id):  # some give every call the number 0
            call = _Call()
            self._calls.append(call)
        if isinstance(index, int):
            self._numbered[index] = call
        call.id = call.id or call_id
        return call


def arguments_of(written: str) -> dict[str, Any] | None:
    """The arguments that a model wrote; `None` for what is no JSON object. Nothing at all is an empty one."""
    try:
        read = orjson.loads(written) if written.strip() else {}
        if isinstance(read, str):  # some models quote the object once more
            read = orjson.loads(read)
    except ValueError:
        return None
    return read if isinstance(read, dict) else None


def _new_id() -> str:
    """Nine letters and digits: what the strictest server takes."""
    return "".join(secrets.choice(_LETTERS) for _ in range(9))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _raw(value: Any) -> str:
    """Arguments as they are written; some servers send them read already."""
    return orjson.dumps(value).decode() if isinstance(value, dict) else _text(value)
