"""What the server says when it is not told what to say: recognisable, and the same for the same request."""

import base64
import json
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any

from tests.fakes.openai.faults import Fault
from tests.fakes.openai.schemas import picture_of

__all__ = ["chunks_of", "completion_of", "echo", "flat_png", "last_user_text", "pictures_in", "usage_of", "vector_of"]


def echo(messages: list[dict[str, Any]]) -> str:
    """The last thing a user said, the number of messages, and the number of pictures if there are any."""
    pictures = pictures_in(messages)
    seen = f", {len(pictures)} pictures" if pictures else ""
    asked = last_user_text(messages).partition("\n\n[Now: ")[0]
    return f"echo: {asked} ({len(messages)} messages{seen})"


def last_user_text(messages: list[dict[str, Any]]) -> str:
    for message in reversed(messages):
        if message["role"] == "user":
            content = message["content"]
            if isinstance(content, str):
                return content
            return " ".join(part["text"] for part in content if part["type"] == "text")
    return ""


def pictures_in(messages: list[dict[str, Any]]) -> list[bytes]:
    """The bytes of every picture in the conversation."""
    return [
        picture_of(part["image_url"]["url"])
        for message in messages
        if isinstance(message["content"], list)
        for part in message["content"]
        if part["type"] == "image_url"
    ]


def flat_png(width: int, height: int, colour: tuple[int, int, int] = (220, 120, 40)) -> bytes:
    """A PNG of one colour, made by hand."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = (b"\0" + bytes(colour) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    )


def vector_of(text: str, base64_wanted: bool) -> Any:
    """Eight numbers that depend on the text."""
    numbers = [((zlib.crc32(f"{text}{place}".encode()) % 2000) - 1000) / 1000 for place in range(8)]
    return base64.b64encode(struct.pack("<8f", *numbers)).decode() if base64_wanted else numbers


def usage_of(body: dict[str, Any], said: str) -> dict[str, int]:
    """A bill that depends on what was asked and said."""
    asked = len(json.dumps(body["messages"])) // 4
    return {"prompt_tokens": asked, "completion_tokens": len(said.split()), "total_tokens": asked + len(said.split())}


def chunks_of(body: dict[str, Any]) -> Callable[..., bytes]:
    """A function that makes the events of one streamed answer."""
    created = int(time.time())

    def chunk(delta: dict[str, Any] | None, finish: str | None = None, usage: dict[str, int] | None = None) -> bytes:
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


def completion_of(body: dict[str, Any], said: str, fault: Fault | None) -> dict[str, Any]:
    """An answer that is not streamed."""
    message: dict[str, Any] = {"role": "assistant", "content": said, "refusal": None}
    finish = "stop"
    if fault and fault.kind == "refusal":
        message = {"role": "assistant", "content": None, "refusal": fault.text}
    elif fault and fault.kind == "empty":
        message["content"] = ""
    elif fault and fault.kind in ("content_filter", "length"):
        finish = fault.kind
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": usage_of(body, said),
    }
