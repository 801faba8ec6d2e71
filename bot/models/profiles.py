"""Servers that speak OpenAI's protocol, and how they differ: as facts, not as subclasses."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

from bot.models.provider import Role

__all__ = [
    "LOCAL_PORTS",
    "OFFICIAL",
    "PROFILES",
    "Profile",
    "effort_for",
    "is_loopback",
    "picture_family",
    "profile_for",
]

OFFICIAL: Mapping[Role, str] = MappingProxyType(
    {
        "chat": "gpt-6-luna",
        "vision": "gpt-6-luna",
        "image": "gpt-image-2.6-flare",
        "speech": "gpt-transcribe",
        "voice": "gpt-4o-mini-tts",
        "embed": "text-embedding-3-small",
        "moderate": "omni-moderation-latest",
    }
)


_SOUNDS = ("audio/ogg", "audio/mpeg", "audio/mp4", "audio/wav", "audio/flac", "audio/webm")


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of server.

    `label` is its name for people, `key_name` where an operator sets its key. `models` are the models to use when
    nobody named one; `lists` says that the server is asked for its models first, and `models` are only preferred.
    `limit_key` is what the length limit is called, `limit` the one that is always set because tokens cost money there.
    `first` and `gap` are the seconds waited for the first piece of an answer and for each further one. `hangs_up` says
    that a connection is used once only: llama-server and its kin close one that they have just promised to keep.
    `free` says that it runs on one's own machines, `responses` that models that think are to be asked at `/responses`
    when they may call tools, `sounds` in which formats recordings are taken. `api_version` is that of Azure's classic
    interface.
    """

    name: str
    label: str
    base_url: str = ""
    key_name: str = "OPENAI_API_KEY"
    models: Mapping[Role, str] = field(default_factory=dict)
    lists: bool = False
    limit_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    limit: int | None = None
    sends_effort: bool = False
    streams_usage: bool = True
    first: float = 20.0
    gap: float = 15.0
    hangs_up: bool = False
    free: bool = False
    api_version: str = ""
    responses: bool = False
    sounds: tuple[str, ...] = _SOUNDS

    @property
    def spoken(self) -> str:
        """What to call it before people in a channel, who need not know where it runs."""
        known = PROFILES.get(self.name)
        return "The model server" if known is None or self.name == "custom" else known.label


def _local(name: str, label: str, port: int, *, sounds: tuple[str, ...] = ("audio/wav", "audio/ogg")) -> Profile:
    """A server on one's own machine. It may have to load a model first, and then be slow."""
    url = f"http://127.0.0.1:{port}/v1"
    return Profile(name, label, url, lists=True, first=120.0, gap=60.0, hangs_up=True, free=True, sounds=sounds)


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile(
                "openai",
                "OpenAI",
                "https://api.openai.com/v1",
                models=OFFICIAL,
                limit_key="max_completion_tokens",
                limit=4096,
                sends_effort=True,
                responses=True,
            ),
            Profile(
                "azure",
                "Azure OpenAI",
                key_name="AZURE_OPENAI_API_KEY",
                limit_key="max_completion_tokens",
                limit=4096,
                sends_effort=True,
                responses=True,
            ),
            Profile(
                "openrouter",
                "OpenRouter",
                "https://openrouter.ai/api/v1",
                "OPENROUTER_API_KEY",
                {"chat": "openai/gpt-6-luna", "vision": "openai/gpt-6-luna"},
                limit=4096,
            ),
            Profile(
                "huggingface",
                "Hugging Face",
                "https://router.huggingface.co/v1",
                "HF_TOKEN",
                {"chat": "openai/gpt-oss-120b", "vision": "Qwen/Qwen2.5-VL-7B-Instruct"},
                lists=True,
                limit=4096,
            ),
            _local("ollama", "Ollama", 11434),
            _local("lmstudio", "LM Studio", 1234),
            _local("llamacpp", "llama-server", 8080, sounds=("audio/wav",)),
            _local("vllm", "vLLM", 8000),
            _local("localai", "LocalAI", 8080),
            _local("transformers", "transformers serve", 8000),
            Profile("litellm", "LiteLLM", "http://127.0.0.1:4000/v1", lists=True, limit=4096, models=OFFICIAL),
            Profile("custom", "Model server", models=OFFICIAL, lists=True, limit_key="max_completion_tokens"),
        )
    }
)

LOCAL_PORTS: Mapping[int, str] = MappingProxyType({11434: "ollama", 1234: "lmstudio", 8080: "llamacpp", 8000: "vllm"})

_HOSTS = (
    ("api.openai.com", "openai"),
    (".api.openai.com", "openai"),
    (".openai.azure.com", "azure"),
    (".services.ai.azure.com", "azure"),
    ("openrouter.ai", "openrouter"),
    ("router.huggingface.co", "huggingface"),
)

# Models that think unless told not to, and the least that each accepts.
_EFFORTS = (
    ("gpt-6-astra", "low"),
    ("gpt-6.1-sol", "low"),
    ("gpt-6", "none"),
    ("gpt-5.", "none"),
    ("gpt-5", "low"),
    ("o1", "low"),
    ("o3", "low"),
    ("o4", "low"),
)


def profile_for(url: str, *, keyed: bool) -> Profile:
    """The profile of the server at `url`, with `base_url` and `label` filled in.

    A server on this machine that wants no key is taken for one that runs a model itself, and is given its time; one
    that wants a key is more likely a gateway to somewhere else.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    path = parts.path.rstrip("/")
    address = f"{host}:{parts.port}" if parts.port else host
    for known, name in _HOSTS:
        if host == known or (known.startswith(".") and host.endswith(known)):
            profile = PROFILES[name]
            if name == "azure":
                base = f"{parts.scheme}://{parts.netloc}/openai/v1"
                return replace(profile, base_url=base, label=f"{profile.label} ({host.partition('.')[0]})")
            return replace(profile, base_url=url.rstrip("/") if path else profile.base_url)
    base_url = url.rstrip("/") if path else f"{url.rstrip('/')}/v1"
    limit = 4096 if keyed else None  # who hands out keys counts tokens
    if is_loopback(url):
        profile = PROFILES[LOCAL_PORTS.get(parts.port or 80, "custom")]
        label = f"{profile.label} on this machine ({address})"
        pace = PROFILES["custom" if keyed else "ollama"]
        profile = replace(profile, first=pace.first, gap=pace.gap, hangs_up=pace.hangs_up, limit=limit)
        sounds = pace.sounds if keyed or not profile.free else profile.sounds
        profile = replace(profile, free=not keyed, sounds=sounds)
        return replace(profile, base_url=base_url, label=label, models=OFFICIAL)
    return replace(PROFILES["custom"], base_url=base_url, label=f"Model server at {address}", limit=limit)


def is_loopback(url: str) -> bool:
    """Whether this address is on this machine."""
    host = (urlsplit(url).hostname or "").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def effort_for(model: str) -> str | None:
    """How little a reasoning model of OpenAI's may think, so that a chat answer comes soon; `None` for other models."""
    name = model.lower()
    return next((effort for start, effort in _EFFORTS if name.startswith(start)), None)


def picture_family(model: str) -> Literal["dall-e-2", "dall-e-3", "gpt-image", "other"]:
    """How a request for a picture has to look for this model."""
    name = model.lower().rpartition("/")[2]
    if name.startswith("dall-e"):
        return "dall-e-3" if name.startswith("dall-e-3") else "dall-e-2"
    return "gpt-image" if name.startswith(("gpt-image", "chatgpt-image")) else "other"
