"""What is written in a request."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from bot.messages import Attachment
from bot.models.profiles import Profile, effort_for, picture_family
from bot.models.provider import Prompt

__all__ = ["chat_body", "clean", "image_body", "messages_of"]


def messages_of(prompts: Sequence[Prompt], pictures: dict[int, list[Attachment]]) -> list[dict[str, Any]]:
    """The conversation on the wire. `pictures` has those of each prompt, by its index, ready to be sent.

    Instructions go first and as one message: many servers take only one, and a stable beginning can be reused.
    """
    system = "\n\n".join(prompt.text for prompt in prompts if prompt.role == "system")
    messages: list[dict[str, Any]] = [{"role": "system", "content": clean(system)}] if system else []
    for index, prompt in enumerate(prompts):
        if prompt.role == "system":
            continue
        content: Any = clean(prompt.text)
        if pictures.get(index):
            text = [{"type": "text", "text": content}] if content else []
            content = [*text, *(_picture_part(picture) for picture in pictures[index])]
        messages.append({"role": prompt.role, "content": content})
    return messages


def chat_body(profile: Profile, model: str, messages: list[dict[str, Any]], max_tokens: int | None) -> dict[str, Any]:
    """A streamed chat request. Sampling parameters are never sent: many models refuse them."""
    body: dict[str, Any] = {"model": model, "messages": messages, "stream": True}
    if profile.streams_usage:
        body["stream_options"] = {"include_usage": True}
    limit = max_tokens or profile.limit
    if limit:
        body[profile.limit_key] = limit
    if profile.sends_effort and (effort := effort_for(model)):
        body["reasoning_effort"] = effort
    return body


def image_body(model: str, prompt: str, *, size: str, quality: str, count: int) -> dict[str, Any]:
    """A request for pictures, shaped for the family of the model. What was left open is left to the model."""
    body: dict[str, Any] = {"model": model, "prompt": clean(prompt)}
    if count > 1:
        body["n"] = count
    if size:
        body["size"] = size
    family = picture_family(model)
    if family == "dall-e":
        body["response_format"] = "b64_json"
        if quality in ("standard", "hd"):
            body["quality"] = quality
    elif family == "gpt-image" and quality:
        body["quality"] = quality
    return body


def clean(text: str) -> str:
    """Without halves of characters, which JSON in UTF-8 cannot carry."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _picture_part(picture: Attachment) -> dict[str, Any]:
    """Always the bytes themselves: an address may expire, need a token, or make the server fetch what it should not."""
    encoded = b64encode(picture.data).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:{picture.media_type};base64,{encoded}"}}
