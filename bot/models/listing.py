"""What models a server says it has, and which of them to use for what."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from bot.models.provider import Role

__all__ = ["Listed", "list_models", "pick"]

log = structlog.get_logger(__name__)

_MOST_BYTES = 4 * 1024 * 1024

_SPEECH = re.compile(r"whisper|transcri|\basr\b|parakeet|canary|voxtral", re.IGNORECASE)
_IMAGE = re.compile(
    r"dall-e|gpt-image|flux|stable|\bsdxl?\b|\bsd[-_.]?\d|diffusion|(^|[-_/:])image|imagen|z-image", re.IGNORECASE
)
_EMBED = re.compile(r"embed|\bbge\b|\be5\b|\bgte\b|minilm", re.IGNORECASE)
_VOICE = re.compile(r"\btts\b|kokoro|piper|orpheus|\bbark\b|chatterbox", re.IGNORECASE)
_MODERATE = re.compile(r"moderation", re.IGNORECASE)
_NOT_CHAT = re.compile(r"rerank|moderation|guard|realtime|audio|speech|davinci|babbage|sora|\bocr\b", re.IGNORECASE)
_VISION = re.compile(r"vision|\bvl\b|[-_.\d]vl\b|llava|bakllava|moondream|minicpm-v|pixtral|internvl", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of a server's list. `sees` is whether it looks at pictures, `None` where the server does not say;
    `shutdown` the day from which it will be gone, as an ISO date, where that is told.
    """

    id: str
    sees: bool | None = None
    shutdown: str = ""


async def list_models(base_url: str, key: str, seconds: float) -> tuple[Listed, ...]:
    """`GET /models` within this time. Raises `OSError` or `ValueError` where no such list comes."""
    import asyncio

    import aiohttp
    import orjson

    from bot.models.profiles import is_loopback

    headers = {"Accept": "application/json", "Connection": "close"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    try:
        async with (
            asyncio.timeout(seconds),
            aiohttp.ClientSession(trust_env=not is_loopback(base_url)) as session,
            session.get(f"{base_url}/models", headers=headers, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            body = await response.content.read(_MOST_BYTES)
            while more := await response.content.read(_MOST_BYTES):
                body += more
                if len(body) > _MOST_BYTES:
                    raise ValueError("too long a list")
    except aiohttp.ClientError as error:
        raise OSError(type(error).__name__) from error
    return _parse(orjson.loads(body))


def pick(role: Role, listed: Sequence[Listed], preferred: Mapping[Role, str]) -> str:
    """The name to use for `role` out of what a server has; `""` where nothing looks fit."""
    names = {entry.id: entry for entry in listed}
    wanted = preferred.get(role, "")
    if wanted in names:
        return wanted
    if role == "vision":
        return _pick_seeing(listed, preferred)
    for entry in listed:
        if _fits(role, entry.id):
            return entry.id
    return ""


def _pick_seeing(listed: Sequence[Listed], preferred: Mapping[Role, str]) -> str:
    """A model that looks at pictures: the one that chats, unless only another is known to."""
    chat = pick("chat", listed, preferred)
    talks = next((entry for entry in listed if entry.id == chat), None)
    if talks is None or talks.sees or _VISION.search(talks.id):
        return chat
    for entry in listed:
        if entry.sees or (entry.sees is None and _VISION.search(entry.id) and _fits("chat", entry.id)):
            return entry.id
    return "" if talks.sees is False else chat


def _fits(role: Role, name: str) -> bool:
    match role:
        case "speech":
            return bool(_SPEECH.search(name))
        case "image":
            return bool(_IMAGE.search(name))
        case "embed":
            return bool(_EMBED.search(name))
        case "chat":
            return not any(kind.search(name) for kind in (_SPEECH, _IMAGE, _EMBED, _VOICE, _NOT_CHAT))
        case "voice":
            return bool(_VOICE.search(name))
        case "moderate":
            return bool(_MODERATE.search(name))
        case _:
            return False


def _parse(answer: Any) -> tuple[Listed, ...]:
    """OpenAI's `data`, with what llama-server (`models[].capabilities`) and OpenRouter's kin (`architecture`) add."""
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        raise ValueError("not a list of models")
    abilities = {
        entry.get("name") or entry.get("model"): entry["capabilities"]
        for entry in answer.get("models") or ()
        if isinstance(entry, dict) and isinstance(entry.get("capabilities"), list)
    }
    listed = []
    for entry in answer["data"]:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or not entry["id"]:
            continue
        can = entry.get("capabilities") if isinstance(entry.get("capabilities"), list) else abilities.get(entry["id"])
        architecture = entry.get("architecture")
        takes = architecture.get("input_modalities") if isinstance(architecture, dict) else None
        sees = None
        if isinstance(can, list):
            sees = "multimodal" in can or "vision" in can
        elif isinstance(takes, list):
            sees = "image" in takes
        gone = entry.get("shutdown_date")
        listed.append(Listed(entry["id"], sees, gone[:10] if isinstance(gone, str) else ""))
    return tuple(listed)
