"""What requests may look like, written by hand: what is not named here is refused, as OpenAI refuses it."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = [
    "BadRequest",
    "check_chat",
    "check_edit",
    "check_embeddings",
    "check_image",
    "check_moderation",
    "check_responses",
    "check_speech",
    "check_transcription",
]

Check = Callable[[Any], bool]

NEVER_IDLE = ("gpt-6-astra", "gpt-6.1-sol")  # they refuse to answer without thinking
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
    "stream": truth,
    "partial_images": whole(0, 3),
}
SIZES: Mapping[str, tuple[str, ...]] = {
    "dall-e-2": ("256x256", "512x512", "1024x1024"),
    "dall-e-3": ("1024x1024", "1792x1024", "1024x1792"),
    "gpt-image-1": ("1024x1024", "1536x1024", "1024x1536", "auto"),
}
TRANSCRIPTION: Mapping[str, Check] = {
    "model": text,
    "language": lambda value: text(value) and 2 <= len(value) <= 3,
    "prompt": text,
    "response_format": one_of("json", "text", "srt", "verbose_json", "vtt", "diarized_json"),
    "temperature": text,
    "stream": one_of("true", "false"),
    "languages": things,
    "keywords": things,
    "include": lambda value: value == ["logprobs"],
    "timestamp_granularities": lambda value: things(value) and set(value) <= {"word", "segment"},
    "chunking_strategy": one_of("auto"),
}
EMBEDDINGS: Mapping[str, Check] = {
    "model": text,
    "input": texts,
    "encoding_format": one_of("float", "base64"),
    "dimensions": whole(1),
    "user": text,
}
MODERATION: Mapping[str, Check] = {"model": text, "input": lambda value: texts(value) or things(value)}
SPEECH: Mapping[str, Check] = {
    "model": text,
    "input": lambda value: text(value) and 0 < len(value) <= 4096,
    "voice": text,
    "instructions": lambda value: text(value) and len(value) <= 4096,
    "response_format": one_of("mp3", "opus", "aac", "flac", "wav", "pcm"),
    "speed": number(0.25, 4),
    "stream_format": one_of("sse", "audio"),
}
RESPONSES: Mapping[str, Check] = {
    "model": text,
    "input": lambda value: text(value) or things(value),
    "instructions": text,
    "stream": truth,
    "store": truth,
    "tools": things,
    "tool_choice": lambda value: text(value) or thing(value),
    "parallel_tool_calls": truth,
    "reasoning": thing,
    "include": things,
    "max_output_tokens": whole(16),
    "text": thing,
    "prompt_cache_key": text,
    "safety_identifier": text,
}


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
    _check_answered(body["messages"])
    for index, tool in enumerate(body.get("tools", ())):
        _check(tool, {"type": one_of("function"), "function": thing}, ("type", "function"), f"tools[{index}].")
        _check_function(tool["function"], f"tools[{index}].function")
    effort = body.get("reasoning_effort")
    if effort == "none" and body["model"].startswith(NEVER_IDLE):
        raise BadRequest(
            "Unsupported value: 'none' is not supported with this model.", "reasoning_effort", "unsupported_value"
        )
    if body.get("tools") and effort not in (None, "none"):
        raise BadRequest(
            f"Function tools with reasoning_effort are not supported for {body['model']} in /v1/chat/completions. "
            "Please use /v1/responses instead, or set reasoning_effort to 'none'.",
            "reasoning_effort",
        )


def check_responses(body: Any) -> None:
    """A request for an answer in the newer way, as far as a chat with tools needs it."""
    _check(body, RESPONSES, ("model", "input"))
    if "reasoning" in body:
        efforts = one_of("none", "minimal", "low", "medium", "high", "xhigh", "max")
        _check(body["reasoning"], {"effort": efforts, "summary": text}, (), "reasoning.")
        if body["reasoning"].get("effort") == "none" and body["model"].startswith(NEVER_IDLE):
            message = "Unsupported value: 'none' is not supported with this model."
            raise BadRequest(message, "reasoning.effort", "unsupported_value")
    for index, tool in enumerate(body.get("tools", ())):
        named = {key: value for key, value in tool.items() if key != "type"}
        if tool.get("type") != "function":
            raise BadRequest(f"Invalid value: 'tools[{index}].type'.", f"tools[{index}].type")
        _check_function(named, f"tools[{index}]")
    open_calls: set[str] = set()
    for index, item in enumerate(body["input"] if isinstance(body["input"], list) else ()):
        where = f"input[{index}]"
        match item.get("type", "message"):
            case "message":
                _check(
                    item, {"type": text, "role": text, "content": lambda each: text(each) or things(each)}, ("role",)
                )
                for part in item["content"] if isinstance(item["content"], list) else ():
                    if part.get("type") == "input_image":
                        picture_of(part["image_url"], f"{where}.content")
                    elif part.get("type") != "input_text":
                        raise BadRequest(f"Invalid value: '{part.get('type')}'.", f"{where}.content")
            case "function_call":
                _check(
                    item,
                    dict.fromkeys(("type", "call_id", "name", "arguments"), text),
                    ("call_id", "name", "arguments"),
                )
                open_calls.add(item["call_id"])
            case "function_call_output":
                _check(item, dict.fromkeys(("type", "call_id", "output"), text), ("call_id", "output"))
                if item["call_id"] not in open_calls:
                    raise BadRequest(
                        f"No tool call found for function call output with call_id {item['call_id']}.", "input"
                    )
                open_calls.discard(item["call_id"])
            case _:
                raise BadRequest(f"Invalid value: '{item.get('type')}'.", f"{where}.type", "invalid_value")
    if open_calls:
        raise BadRequest(f"No tool output found for function call {min(open_calls)}.", "input")


def check_speech(body: Any) -> None:
    """A request to read a text aloud."""
    _check(body, SPEECH, ("model", "input", "voice"))
    if "instructions" in body and body["model"].startswith("tts-1"):
        raise BadRequest("'instructions' is not supported with this model.", "instructions", "unsupported_parameter")


def check_edit(body: Any, fields: list[str]) -> None:
    """A request to change pictures: the fields of the form, and the names of its files."""
    painter = str(body.get("model", "dall-e-2")).startswith("gpt-image")
    if not fields or not set(fields) <= {"image", "image[]", "mask"}:
        raise BadRequest("Missing required parameter: 'image'.", "image", "missing_required_parameter")
    if fields.count("image") > 1 or len(fields) > 16 or (body.get("model") == "dall-e-2" and "image[]" in fields):
        raise BadRequest("Invalid value for 'image'.", "image", "invalid_value")
    if body.get("model") == "dall-e-3":
        raise BadRequest("Invalid value: 'dall-e-3'. Value must be 'dall-e-2'.", "model", "invalid_value")
    if not painter and "quality" in body:
        raise BadRequest("Unknown parameter: 'quality'.", "quality", "unknown_parameter")
    check_image(body)


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
    if model in SIZES and body.get("size", "1024x1024") not in SIZES[model]:
        raise BadRequest(f"Invalid value: '{body['size']}'.", "size", "invalid_value")
    if "style" in body and model != "dall-e-3":
        raise BadRequest("Unknown parameter: 'style'.", "style", "unknown_parameter")
    if body.get("partial_images") and not body.get("stream"):
        raise BadRequest("'partial_images' is only allowed with 'stream'.", "partial_images", "invalid_value")


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
    if "include" in form and "4o" not in form["model"]:
        raise BadRequest("'include' is not supported with this model.", "include", "unsupported_parameter")
    if "diarize" in form["model"] and "prompt" in form:
        raise BadRequest("'prompt' is not supported with this model.", "prompt", "unsupported_parameter")
    if form.get("response_format") == "diarized_json" and "diarize" not in form["model"]:
        raise BadRequest("'diarized_json' is not supported with this model.", "response_format", "unsupported_value")


def check_embeddings(body: Any) -> None:
    """A request for vectors."""
    _check(body, EMBEDDINGS, ("model", "input"))


def check_moderation(body: Any) -> None:
    """A request for a judgement."""
    _check(body, MODERATION, ("input",))
    parts = body["input"] if things(body["input"]) and body["input"] and thing(body["input"][0]) else []
    if parts and str(body.get("model", "")).startswith("text-moderation"):
        raise BadRequest("This model takes texts only.", "input", "invalid_value")
    if sum(part.get("type") == "image_url" for part in parts) > 1:
        raise BadRequest("Too many images. The maximum is 1.", "input", "invalid_value")
    for index, part in enumerate(parts):
        _check_part(part, "user", f"input[{index}]")


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
    allowed: dict[str, Check] = {
        "role": text,
        "content": lambda value: text(value) or things(value) or value is None,
        "name": text,
    }
    if message["role"] == "assistant":
        allowed["tool_calls"] = lambda value: things(value) and bool(value)
    elif message["role"] == "tool":
        allowed["tool_call_id"] = text
    _check(message, allowed, ("tool_call_id", "content") if message["role"] == "tool" else ("content",), f"{where}.")
    for call in message.get("tool_calls", ()):
        _check(
            call, {"id": text, "type": one_of("function"), "function": thing}, ("id", "type", "function"), f"{where}."
        )
        _check(call["function"], {"name": text, "arguments": text}, ("name", "arguments"), f"{where}.")
    content = message["content"]
    if isinstance(content, str) or (content is None and "tool_calls" in message):
        return
    if not content:
        raise BadRequest(f"Invalid value for '{where}.content'.", f"{where}.content", "invalid_value")
    for number_, part in enumerate(content):
        _check_part(part, message["role"], f"{where}.content[{number_}]")


def _check_answered(messages: list[dict[str, Any]]) -> None:
    """Every call of a tool is followed by what came of it, and nothing else comes of nothing."""
    waiting: set[str] = set()
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                raise BadRequest(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceding message with "
                    "'tool_calls'.",
                    f"messages[{index}].role",
                )
            waiting.discard(message["tool_call_id"])
            continue
        if waiting:
            break
        waiting = {call["id"] for call in message.get("tool_calls", ())}
    if waiting:
        raise BadRequest(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following did not have response messages: {', '.join(sorted(waiting))}",
            "messages",
        )


def _check_function(function: Any, where: str) -> None:
    allowed = {"name": text, "description": text, "parameters": thing, "strict": lambda value: truth(value)}
    _check(function, allowed, ("name",), f"{where}.")
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", function["name"]):
        raise BadRequest(f"Invalid '{where}.name': string does not match pattern.", f"{where}.name", "invalid_value")
    if function.get("parameters", {}).get("type", "object") != "object":
        raise BadRequest(f"Invalid schema for function '{function['name']}'.", f"{where}.parameters", "invalid_schema")


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
