"""The events of streamed answers: chats, responses, pictures."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.fakes.openai.answers import Calls, usage_of

__all__ = ["call_deltas", "chunks_of", "picture_events", "pieces_of", "responses_events"]


def chunks_of(body: dict[str, Any]) -> Callable[..., bytes]:
    """A function that makes the events of one streamed answer."""
    created = int(time.time())

    def chunk(delta: dict[str, Any] | None, finish: str | None = None, usage: dict[str, Any] | None = None) -> bytes:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
        event = {
            "id": "chatcmpl-fake",
            "object": "chat.completion.chunk",
            "created": created,
            "model": body["model"],
            "choices": choices,
            "usage": usage,
        }
        return b"data: " + json.dumps(event).encode() + b"\n\n"

    return chunk


def pieces_of(said: str) -> list[str]:
    return [word if index == 0 else f" {word}" for index, word in enumerate(said.split(" "))] if said else []


def call_deltas(calls: Calls) -> Iterator[dict[str, Any]]:
    """The deltas in which OpenAI sends calls: name and id first, then the arguments in pieces."""
    for index, (call_id, name, arguments) in enumerate(calls.listed):
        function = {"name": name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]}
        for at in range(0, len(arguments), 7):
            yield {"tool_calls": [{"index": index, "function": {"arguments": arguments[at : at + 7]}}]}


def responses_events(body: dict[str, Any], said: str | Calls) -> Iterator[bytes]:
    """A whole answer of `/responses`, with a thought before it."""
    sequence = 0

    def event(kind: str, **told: Any) -> bytes:
        nonlocal sequence
        sequence += 1
        data = json.dumps({"type": kind, "sequence_number": sequence, **told})
        return f"event: {kind}\ndata: {data}\n\n".encode()

    response = {"id": "resp_fake", "object": "response", "created_at": int(time.time()), "model": body["model"]}
    yield event("response.created", response=response | {"status": "in_progress", "output": []})
    yield event("response.reasoning_summary_text.delta", item_id="rs_1", output_index=0, summary_index=0, delta="hm")
    output: list[dict[str, Any]] = [{"type": "reasoning", "id": "rs_1", "summary": []}]
    text = said.text if isinstance(said, Calls) else said
    if text:
        for piece in pieces_of(text):
            yield event("response.output_text.delta", item_id="msg_1", output_index=1, content_index=0, delta=piece)
        part = {"type": "output_text", "text": text, "annotations": []}
        item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
        output.append(item)
        yield event("response.output_item.done", output_index=1, item=item)
    for call_id, name, arguments in said.listed if isinstance(said, Calls) else ():
        at = len(output)
        item = {"type": "function_call", "id": f"fc_{at}", "call_id": call_id, "name": name, "arguments": ""}
        yield event("response.output_item.added", output_index=at, item=item | {"status": "in_progress"})
        yield event("response.function_call_arguments.delta", item_id=f"fc_{at}", output_index=at, delta=arguments)
        output.append(item | {"arguments": arguments, "status": "completed"})
        yield event("response.output_item.done", output_index=at, item=output[-1])
    told = usage_of(body["input"], text)
    usage = {
        "input_tokens": told["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": told["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": told["total_tokens"],
    }
    done = response | {"status": "completed", "output": output, "usage": usage, "error": None}
    yield event("response.completed", response=done)


def picture_events(answer: dict[str, Any], partial: int, kind: str) -> Iterator[bytes]:
    """A picture that is shown unfinished `partial` times; `kind` is `image_generation` or `image_edit`."""
    picture = answer["data"][0]["b64_json"]
    told: dict[str, Any] = {"b64_json": picture, "created_at": answer["created"], "output_format": "png"}
    for index in range(partial):
        event = {"type": f"{kind}.partial_image", "partial_image_index": index, **told}
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
    event = {"type": f"{kind}.completed", **told, "usage": answer["usage"]}
    yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
