"""What requests may look like, written by hand: what is not named here is refused, as OpenAI refuses it."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["BadRequest", "check_chat", "check_embeddings", "check_image", "check_moderation", "check_transcription"]

Check = Callable[[Any], bool]

THINKERS = re.compile(r"^(gpt-[56]|o\d)")
MEDIA = {
    "flac": b"fLaC",
    "mp3": b"",
    "mp4": b"",
    "mpeg": b"",
    "mpga": b"",
    "m4a": b"",
    "ogg": b"OggS",
    "wav": b"RIFF",
    "webm": b"\x1a\x45\xdf\xa3",
}
PICTURES = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}


class BadRequest(Exception):
    """Answered with status 400 (or another) and the parameter that is wrong."""

    def __init__(self, message: str, param: str | None, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}


def text(value: Any) -> bool:
    return isinstance(value, str)


def whole(least: int, most: int = 2**31) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def number(least: float, most: float) -> Check:
    return lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


def truth(value: Any) -> bool:
    return isinstance(value, bool)


def one_of(*values: str) -> Check:
    return lambda value: value in values


def thing(value: Any) -> bool:
    return isinstance(value, dict)


def things(value: Any) -> bool:
    return isinstance(value, list)


def texts(value: Any) -> bool:
    return text(value) or (isinstance(value, list) and 0 < len(value) <= 2048 and all(text(each) for each in value))


CHAT: Mapping[str, Check] = {
    "model": text,
    "messages": things,
    "stream": truth,
    "stream_options": thing,
    "max_tokens": whole(1),
    "max_completion_tokens": whole(1),
    "reasoning_effort": one_of("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    "verbosity": one_of("low", "medium", "high"),
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "frequency_penalty": number(-2, 2),
    "presence_penalty": number(-2, 2),
    "n": whole(1, 128),
    "stop": lambda value: text(value) or things(value),
    "seed": whole(-(2**63), 2**63),
    "store": truth,
    "metadata": thing,
    "user": text,
    "safety_identifier": lambda value: text(value) and len(value) <= 64,
    "prompt_cache_key": text,
    "response_format": thing,
    "tools": things,
    "tool_choice": lambda value: text(value) or thing(value),
    "parallel_tool_calls": truth,
    "service_tier": text,
    "logprobs": truth,
    "top_logprobs": whole(0, 20),
}
IMAGE: Mapping[str, Check] = {
    "model": text,
    "prompt": lambda value: text(value) and 0 < len(value) <= 32000,
    "n": whole(1, 10),
    "size": lambda value: text(value) and bool(re.fullmatch(r"auto|\d{2,4}x\d{2,4}", value)),
    "quality": one_of("standard", "hd", "low", "medium", "high", "auto"),
    "response_format": one_of("url", "b64_json"),
    "style": one_of("vivid", "natural"),
    "output_format": one_of("png", "jpeg", "webp"),
    "output_compression": whole(0, 100),
    "background": one_of("transparent", "opaque", "auto"),
    "moderation": one_of("low", "auto"),
    "user": text,
}
TRANSCRIPTION: Mapping[str, Check] = {
    "model": text,
    "language": lambda value: text(value) and 2 <= len(value) <= 3,
    "prompt": text,
    "response_format": one_of("json", "text", "srt", "verbose_json", "vtt", "diarized_json"),
    "temperature": text,
    "stream": one_of("true", "false"),
}
EMBEDDINGS: Mapping[str, Check] = {
    "model": text,
    "input": texts,
    "encoding_format": one_of("float", "base64"),
    "dimensions": whole(1),
    "user": text,
}
MODERATION: Mapping[str, Check] = {"model": text, "input": lambda value: texts(value) or things(value)}


def check_chat(body: Any) -> None:
    """A chat completion request, with what only some models take."""
    _check(body, CHAT, ("model", "messages"))
    if THINKERS.match(body["model"]):
        if "max_tokens" in body:
            message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            raise BadRequest(message, "max_tokens", "unsupported_parameter")
        if body.get("reasoning_effort") != "none" and {"temperature", "top_p"} & body.keys():
            raise BadRequest(
                "Unsupported value: 'temperature' does not support this.", "temperature", "unsupported_value"
            )
    elif "reasoning_effort" in body:
        raise BadRequest("Unrecognized request argument supplied: reasoning_effort", "reasoning_effort")
    if "stream_options" in body:
        if not body.get("stream"):
            raise BadRequest(
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options"
            )
        _check(body["stream_options"], {"include_usage": truth, "include_obfuscation": truth}, (), "stream_options.")
    if not body["messages"]:
        raise BadRequest("Invalid 'messages': empty array.", "messages", "empty_array")
    for index, message in enumerate(body["messages"]):
        _check_message(message, f"messages[{index}]")


def check_image(body: Any) -> None:
    """A request for pictures, by the family of its model."""
    _check(body, IMAGE, ("prompt",))
    model = body.get("model", "dall-e-2")
    painter = model.startswith("gpt-image")
    unknown = (
        ("response_format", "style") if painter else ("output_format", "output_compression", "background", "moderation")
    )
    for key in unknown:
        if key in body:
            raise BadRequest(f"Unknown parameter: '{key}'.", key, "unknown_parameter")
    wrong = ("standard", "hd") if painter else ("low", "medium", "high")
    if body.get("quality") in wrong:
        raise BadRequest(f"Invalid value: '{body['quality']}'.", "quality", "invalid_value")
    if model == "dall-e-3" and body.get("n", 1) > 1:
        raise BadRequest("You must provide n=1 for this model.", "n", "invalid_value")


def check_transcription(form: Mapping[str, str], name: str, sound: bytes) -> None:
    """A request for a transcript: the fields of the form, and its file."""
    _check(dict(form), TRANSCRIPTION, ("model",))
    ending = name.rpartition(".")[2].lower()
    start = MEDIA.get(ending)
    if start is None or not sound.startswith(start):
        raise BadRequest(f"Unrecognized file format. Supported formats: {sorted(MEDIA)}", "file", "invalid_value")
    if len(sound) > 25 * 1024 * 1024:
        raise BadRequest("Maximum content size limit (26214400) exceeded", "file", status=413)
    if form.get("response_format") == "verbose_json" and "whisper" not in form["model"]:
        message = "response_format 'verbose_json' is not compatible with this model. Use 'json' or 'text' instead."
        raise BadRequest(message, "response_format", "unsupported_value")


def check_embeddings(body: Any) -> None:
    """A request for vectors."""
    _check(body, EMBEDDINGS, ("model", "input"))


def check_moderation(body: Any) -> None:
    """A request for a judgement."""
    _check(body, MODERATION, ("input",))


def _check(body: Any, allowed: Mapping[str, Check], required: tuple[str, ...], prefix: str = "") -> None:
    if not isinstance(body, dict):
        raise BadRequest("We could not parse the JSON body of your request.", None)
    for key in required:
        if key not in body:
            raise BadRequest(
                f"Missing required parameter: '{prefix}{key}'.", f"{prefix}{key}", "missing_required_parameter"
            )
    for key, value in body.items():
        if key not in allowed:
            raise BadRequest(
                f"Unrecognized request argument supplied: {prefix}{key}", f"{prefix}{key}", "unknown_parameter"
            )
        if not allowed[key](value):
            raise BadRequest(f"Invalid value for '{prefix}{key}'.", f"{prefix}{key}", "invalid_value")


def _check_message(message: Any, where: str) -> None:
    if not isinstance(message, dict) or message.get("role") not in ("system", "developer", "user", "assistant", "tool"):
        raise BadRequest(f"Invalid value for '{where}.role'.", f"{where}.role", "invalid_value")
    _check(
        message,
        {"role": text, "content": lambda value: text(value) or things(value) or value is None, "name": text},
        ("content",),
        f"{where}.",
    )
    content = message["content"]
    if isinstance(content, str):
        return
    if not content:
        raise BadRequest(f"Invalid value for '{where}.content'.", f"{where}.content", "invalid_value")
    for number_, part in enumerate(content):
        _check_part(part, message["role"], f"{where}.content[{number_}]")


def _check_part(part: Any, role: str, where: str) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        _check(part, {"type": text, "text": text}, ("text",), f"{where}.")
    elif kind == "image_url" and role == "user":
        _check(part, {"type": text, "image_url": thing}, ("image_url",), f"{where}.")
        detail = one_of("low", "high", "auto", "original")
        _check(part["image_url"], {"url": text, "detail": detail}, ("url",), f"{where}.image_url.")
        picture_of(part["image_url"]["url"], f"{where}.image_url.url")
    else:
        raise BadRequest(f"Invalid value for '{where}.type'.", f"{where}.type", "invalid_value")


def picture_of(url: str, where: str = "url") -> bytes:
    """The bytes of a data URI that really holds the picture it names."""
    found = re.fullmatch(r"data:(image/[a-z]+);base64,(.+)", url, re.DOTALL)
    if not found:
        raise BadRequest("Invalid image URL: expected a base64-encoded data URI.", where, "invalid_image_url")
    try:
        picture = base64.b64decode(found[2], validate=True)
    except binascii.Error:
        raise BadRequest("Invalid base64 image_url.", where, "invalid_base64") from None
    if found[1] not in PICTURES or not picture.startswith(PICTURES[found[1]]):
        raise BadRequest("You uploaded an unsupported image.", where, "image_parse_error")
    return picture
