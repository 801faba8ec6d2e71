"""What is written in a request to chat."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from bot.models.profiles import Profile
from bot.models.provider import Prompt, Tool

__all__ = ["chat_body", "clean", "instructions_of", "messages_of", "written_arguments"]

_NO_PICTURES: Mapping[int, Sequence[str]] = {}


def messages_of(
    prompts: Sequence[Prompt], pictures: Mapping[int, Sequence[str]] = _NO_PICTURES
) -> list[dict[str, Any]]:
    """The conversation on the wire. `pictures` has those of each prompt, by its index, as data URIs.

    Instructions go first and as one message: many servers take only one, and a stable beginning can be reused.
    """
    system = instructions_of(prompts)
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    for index, prompt in enumerate(prompts):
        if prompt.role == "system":
            continue
        content: Any = clean(prompt.text)
        if prompt.role == "tool":
            messages.append({"role": "tool", "tool_call_id": prompt.call, "content": content})
        elif prompt.calls:
            calls = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": written_arguments(call.arguments)},
                }
                for call in prompt.calls
            ]
            messages.append({"role": prompt.role, "content": content or None, "tool_calls": calls})
        else:
            if index in pictures:
                text = [{"type": "text", "text": content}] if content else []
                shown = ({"type": "image_url", "image_url": {"url": picture}} for picture in pictures[index])
                content = [*text, *shown]
            messages.append({"role": prompt.role, "content": content})
    return messages


def chat_body(
    profile: Profile,
    model: str,
    messages: list[dict[str, Any]],
    *,
    max_tokens: int | None,
    effort: str | None,
    tools: Sequence[Tool] = (),
) -> dict[str, Any]:
    """A streamed chat request. Sampling parameters are never sent: many models refuse them."""
    body: dict[str, Any] = {"model": model, "messages": messages, "stream": True}
    if tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": clean(tool.help), "parameters": tool.schema},
            }
            for tool in tools
        ]
    if profile.streams_usage:
        body["stream_options"] = {"include_usage": True}
    limit = max_tokens or profile.limit
    if limit:
        body[profile.limit_key] = limit
    if effort:
        body["reasoning_effort"] = effort
    return body


def instructions_of(prompts: Sequence[Prompt]) -> str:
    """All instructions as one text."""
    return clean("\n\n".join(prompt.text for prompt in prompts if prompt.role == "system"))


def written_arguments(arguments: dict[str, Any] | None) -> str:
    """Arguments as a model writes them. What could not be read is not sent back as it was: servers choke on it too."""
    return clean(orjson.dumps(arguments or {}).decode())


def clean(text: str) -> str:
    """Without halves of characters, which JSON in UTF-8 cannot carry."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
