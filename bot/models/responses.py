"""OpenAI's other way to chat, `/responses`, where a model may think and call tools in one go.

It is used for nothing else: `/chat/completions` is what every server speaks. Nothing is stored over there; the whole
conversation is sent each time, as it is for a chat.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from bot.models.bodies import clean, instructions_of, written_arguments
from bot.models.calls import Calls
from bot.models.profiles import Profile
from bot.models.provider import Prompt, Tool
from bot.models.stream import MidStreamError

__all__ = ["ResponsesAnswer", "responses_body"]

_LEAST = 16  # tokens that may be asked for


def responses_body(
    profile: Profile,
    model: str,
    prompts: Sequence[Prompt],
    pictures: Mapping[int, Sequence[str]],
    *,
    max_tokens: int | None,
    effort: str | None,
    tools: Sequence[Tool],
) -> dict[str, Any]:
    """A streamed request that leaves nothing behind."""
    body: dict[str, Any] = {"model": model, "input": _items(prompts, pictures), "stream": True, "store": False}
    if instructions := instructions_of(prompts):
        body["instructions"] = instructions
    if tools:
        body["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": clean(tool.help),
                "parameters": tool.schema,
                "strict": False,  # or every property would have to be required
            }
            for tool in tools
        ]
    if limit := max_tokens or profile.limit:
        body["max_output_tokens"] = max(limit, _LEAST)
    if effort:
        body["reasoning"] = {"effort": effort}
    return body


def _items(prompts: Sequence[Prompt], pictures: Mapping[int, Sequence[str]]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for index, prompt in enumerate(prompts):
        text = clean(prompt.text)
        match prompt.role:
            case "system":
                continue
            case "tool":
                items.append({"type": "function_call_output", "call_id": prompt.call, "output": text})
            case "assistant":
                if text:
                    items.append({"role": "assistant", "content": text})
                items += [
                    {
                        "type": "function_call",
                        "call_id": call.id,
                        "name": call.name,
                        "arguments": written_arguments(call.arguments),
                    }
                    for call in prompt.calls
                ]
            case _:
                shown = [
                    {"type": "input_image", "image_url": picture, "detail": "auto"}
                    for picture in pictures.get(index, ())
                ]
                said = [{"type": "input_text", "text": text}] if text else []
                items.append({"role": "user", "content": [*said, *shown] if shown else text})
    return items


class ResponsesAnswer:
    """One answer as it grows, with the same attributes as `Answer`: reasoning is left out, calls are gathered."""

    def __init__(self) -> None:
        self.finish = ""
        self.refusal = ""
        self.calls = Calls()
        self.usage: tuple[int, int, int] | None = None
        self.done = False
        self.seen = False
        self.progress = False

    def take(self, event: bytes) -> str:
        """The text that this event adds. Raises `MidStreamError`, or `ValueError` for what is no event of an answer."""
        self.progress = False
        if event.startswith(b"[DONE]"):
            self.done = True
            return ""
        chunk = orjson.loads(event)
        if not isinstance(chunk, dict):
            raise ValueError("not an object")
        kind = chunk.get("type")
        if not isinstance(kind, str):
            return self.take_chunk(chunk)
        if kind == "error":
            raise MidStreamError(chunk.get("error") or chunk)
        if not kind.startswith("response."):
            return ""
        self.seen = True
        self.progress = kind not in ("response.created", "response.in_progress", "response.queued")
        match kind:
            case "response.output_text.delta":
                return _text(chunk.get("delta"))
            case "response.refusal.delta":
                self.refusal += _text(chunk.get("delta"))
            case "response.output_item.done":
                self._call(chunk.get("item"))
            case "response.completed" | "response.incomplete" | "response.failed":
                self._end(chunk.get("response"))
        return ""

    def take_chunk(self, chunk: dict[str, Any]) -> str:
        """The same for a whole answer that was not streamed."""
        if error := chunk.get("error"):
            raise MidStreamError(error)
        output = chunk.get("output")
        if not isinstance(output, list):
            return ""
        self.seen = True
        text = ""
        for item in output:
            self._call(item)
            for part in item.get("content") or () if isinstance(item, dict) and item.get("type") == "message" else ():
                if isinstance(part, dict):
                    text += _text(part.get("text")) if part.get("type") == "output_text" else ""
                    self.refusal += _text(part.get("refusal"))
        self._end(chunk)
        return text

    def _call(self, item: Any) -> None:
        if isinstance(item, dict) and item.get("type") == "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            self.calls.add([{"id": item.get("call_id") or item.get("id"), "function": function}])

    def _end(self, response: Any) -> None:
        self.done = True
        response = response if isinstance(response, dict) else {}
        if error := response.get("error"):
            raise MidStreamError(error)
        self._count(response.get("usage"))
        details = response.get("incomplete_details")
        reason = _text(details.get("reason")) if isinstance(details, dict) else ""
        status = response.get("status")
        if reason:
            self.finish = "length" if reason == "max_output_tokens" else reason
        else:
            self.finish = "error" if status in ("failed", "cancelled", "incomplete") else "stop"

    def _count(self, usage: Any) -> None:
        if isinstance(usage, dict):
            details = usage.get("input_tokens_details")
            cached = details.get("cached_tokens") if isinstance(details, dict) else 0
            told_in, told_out = usage.get("input_tokens"), usage.get("output_tokens")
            if isinstance(told_in, int) and isinstance(told_out, int):
                self.usage = (told_in, told_out, cached if isinstance(cached, int) else 0)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
