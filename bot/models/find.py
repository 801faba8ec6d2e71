"""Which models there are: those the environment names, else a server on this machine, else the practice model."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr

from bot.models.compatible import Compatible
from bot.models.connection import Connection
from bot.models.listing import list_models, pick
from bot.models.practice import Practice
from bot.models.profiles import LOCAL_PORTS, PROFILES, Profile, profile_for
from bot.models.provider import Provider, Role
from bot.models.turn import Choice, Models

if TYPE_CHECKING:
    from bot.config import Config

__all__ = ["find_models"]

log = structlog.get_logger(__name__)

_PROBE_SECONDS = 0.3
_ROLES: tuple[Role, ...] = ("chat", "vision", "image", "speech", "voice", "embed", "moderate")
_DOES: Mapping[Role, str] = {
    "chat": "Chatting",
    "vision": "Looking at pictures",
    "image": "Drawing",
    "speech": "Listening to voice notes",
    "voice": "Reading aloud",
    "embed": "Comparing meanings",
    "moderate": "Screening",
}


async def find_models(config: "Config", *, ports: Mapping[int, str] = LOCAL_PORTS) -> Models:
    """The models of this installation. Never fails because a server is down: that shows when it is asked.

    `ports` are where to look for a server on this machine, with the name of the profile each is taken for.
    """
    connection = Connection()
    servers = _named(config, connection)
    if not servers and config.probe:
        servers = await _probe(ports, connection)
    main: Provider = next(iter(servers.values())) if servers else Practice()
    if isinstance(main, Compatible):
        await main.learn_models()
    roles: dict[Role, Sequence[Choice]] = {}
    off: dict[Role, str] = {}
    for role in _ROLES:
        roles[role], off[role] = _choices(role, config, main, servers, connection)
    return Models(roles, off=off, close=connection.close)


def _named(config: "Config", connection: Connection) -> dict[str, Provider]:
    """The servers that the environment names, by the name of their profile, the most wanted first."""
    servers: dict[str, Provider] = {}
    key = _open(config.openai_api_key)
    if config.openai_base_url:
        profile = profile_for(config.openai_base_url, keyed=bool(key))
        servers[profile.name] = Compatible(profile, key, connection)
    elif key:
        servers["openai"] = Compatible(PROFILES["openai"], key, connection)
    azure_key = _open(config.azure_openai_api_key)
    if config.azure_openai_endpoint and azure_key:
        servers.setdefault("azure", Compatible(_azure(config.azure_openai_endpoint), azure_key, connection))
    if token := _open(config.hf_token):
        servers.setdefault("huggingface", Compatible(PROFILES["huggingface"], token, connection))
    return servers


async def _probe(ports: Mapping[int, str], connection: Connection) -> dict[str, Provider]:
    """The first server on this machine, in the order of `ports`, that lists a model to chat with."""

    async def ask(port: int, name: str) -> Provider | None:
        profile = replace(
            PROFILES[name],
            base_url=f"http://127.0.0.1:{port}/v1",
            label=f"{PROFILES[name].label} on this machine (127.0.0.1:{port})",
        )
        try:
            listed = await list_models(profile.base_url, "", _PROBE_SECONDS)
        except (OSError, ValueError):  # nobody there, or something else: this is only a try
            return None
        return Compatible(profile, "", connection, listed) if pick("chat", listed, {}) else None

    found = await asyncio.gather(*(ask(port, name) for port, name in ports.items()))
    for server in found:
        if server is not None:
            log.info("model server found on this machine", server=server.label)
            return {str(server.name): server}
    return {}


def _choices(
    role: Role, config: "Config", main: Provider, servers: dict[str, Provider], connection: Connection
) -> tuple[list[Choice], str]:
    """What to ask for a role, in order, and what to say should nobody serve it."""
    named = _models_for(role, config)
    if not named:
        return [Choice(main)], _why_off(role, main)
    choices: list[Choice] = []
    missing = ""
    for entry in named:
        name, _, model = entry.partition(":")
        if name not in PROFILES or not model:  # a colon may be part of a model's own name, as in `llama3:8b`
            choices.append(Choice(main, entry if not isinstance(main, Practice) else ""))
            continue
        if name not in servers and name in LOCAL_PORTS.values():
            servers[name] = _local(name, connection)
        if name in servers:
            choices.append(Choice(servers[name], model))
        else:
            missing = _missing(role, name)
            log.warning("model names a server that is not set up", role=role, server=name)
    return choices, missing or _why_off(role, main)


def _models_for(role: Role, config: "Config") -> tuple[str, ...]:
    """The models named for a role. One named for chatting also looks at pictures, unless another is named for that."""
    match role:
        case "chat":
            return config.chat_model
        case "vision":
            return config.vision_model or config.chat_model
        case "image":
            return config.image_model
        case "speech":
            return config.speech_model
        case "voice":
            return config.voice_model
        case "embed":
            return config.embed_model
        case "moderate":
            return config.moderate_model


def _why_off(role: Role, main: Provider) -> str:
    setting = f"PARLEY_{role.upper()}_MODEL"
    spoken = main.profile.spoken if isinstance(main, Compatible) else main.label
    match main.name:
        case "practice":
            remedy = "Set OPENAI_API_KEY, or start Ollama."
        case "azure":
            remedy = f"Set {setting} to the name of a deployment."
        case "huggingface" | "openrouter":
            remedy = f"{spoken} does not offer it this way. Set OPENAI_API_KEY and {setting}=openai:…"
        case _:
            remedy = f"{spoken} shows no model for it. Set {setting} to one that it has."
    return f"{_DOES[role]} is off. {remedy}"


def _missing(role: Role, server: str) -> str:
    needed = {
        "azure": "AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY",
        "huggingface": "HF_TOKEN",
        "openai": "OPENAI_API_KEY",
    }.get(server, "OPENAI_BASE_URL and OPENAI_API_KEY")
    return f"{_DOES[role]} is off. PARLEY_{role.upper()}_MODEL names {server}: set {needed}."


def _local(name: str, connection: Connection) -> Provider:
    profile = PROFILES[name]
    address = urlsplit(profile.base_url).netloc
    return Compatible(replace(profile, label=f"{profile.label} on this machine ({address})"), "", connection)


def _azure(endpoint: str) -> Profile:
    host = urlsplit(endpoint).hostname or endpoint
    base = endpoint.rstrip("/")
    base = base if base.endswith("/v1") else f"{base}/openai/v1"
    return replace(PROFILES["azure"], base_url=base, label=f"Azure OpenAI ({host.partition('.')[0]})")


def _open(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
