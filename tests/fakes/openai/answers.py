"""What the server says when it is not told what to say: recognisable, and the same for the same request."""

import base64
import json
import struct
import time
import zlib
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.openai.faults import Fault
from tests.fakes.openai.schemas import picture_of

__all__ = [
    "Calls",
    "completion_of",
    "echo",
    "flat_png",
    "last_user_text",
    "pictures_in",
    "spoken",
    "subtitles",
    "usage_of",
    "vector_of",
]


@dataclass
class Calls:
    """An answer that calls tools: (name, arguments as JSON), after `text` if there is any."""

    calls: list[tuple[str, str]]
    text: str = ""
    listed: list[tuple[str, str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self.listed = [(f"call_{number}", name, given) for number, (name, given) in enumerate(self.calls)]


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


def usage_of(asked: Any, said: str) -> dict[str, int]:
    """A bill that depends on what was asked and said."""
    tokens = len(json.dumps(asked)) // 4
    return {"prompt_tokens": tokens, "completion_tokens": len(said.split()), "total_tokens": tokens + len(said.split())}


def subtitles(segments: list[dict[str, Any]], kind: str) -> str:
    """The segments as SRT or WebVTT."""

    def clock(seconds: float) -> str:
        whole = f"{int(seconds // 3600):02}:{int(seconds // 60) % 60:02}:{seconds % 60:06.3f}"
        return whole.replace(".", ",") if kind == "srt" else whole

    parts = [
        (f"{number}\n" if kind == "srt" else "") + f"{clock(each['start'])} --> {clock(each['end'])}\n{each['text']}\n"
        for number, each in enumerate(segments, 1)
    ]
    return ("" if kind == "srt" else "WEBVTT\n\n") + "\n".join(parts)


def spoken(kind: str) -> tuple[bytes, str]:
    """A sound that can really be played, and its media type."""
    from tests.sounds import encoded, tone, wav

    match kind:
        case "opus":
            return encoded(tone(0.5), "ogg", "libopus"), "audio/ogg"
        case "wav":
            return wav(tone(0.5)), "audio/wav"
        case _:
            return encoded(tone(0.5), "mp3", "libmp3lame"), "audio/mpeg"


def completion_of(body: dict[str, Any], said: str | Calls, fault: Fault | None) -> dict[str, Any]:
    """An answer that is not streamed."""
    text = said.text if isinstance(said, Calls) else said
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    finish = "stop"
    if isinstance(said, Calls):
        finish = "tool_calls"
        message["content"] = text or None
        message["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": given}}
            for call_id, name, given in said.listed
        ]
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
        "usage": usage_of(body["messages"], text),
    }
