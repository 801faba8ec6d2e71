"""Which models there are: those the environment names, else a server on this machine, else the practice model."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from bot.models.compatible import Compatible
from bot.models.connection import Connection
from bot.models.huggingface import HuggingFace
from bot.models.listing import list_models, pick
from bot.models.practice import Practice
from bot.models.prices import Prices, read_prices
from bot.models.profiles import LOCAL_PORTS, PROFILES
from bot.models.provider import Provider, Role
from bot.models.quirks import Lessons
from bot.models.roles import Choice, Models
from bot.models.servers import NEEDED, local_server, named_servers

if TYPE_CHECKING:
    from bot.config import Config

__all__ = ["find_models"]

log = structlog.get_logger(__name__)

_PROBE_SECONDS = 0.3
_ROLES: tuple[Role, ...] = ("chat", "vision", "image", "speech", "voice", "embed", "moderate")
_ROLE_NAMES: Mapping[str, Role] = {role: role for role in _ROLES}
_DOES: Mapping[Role, str] = {
    "chat": "Chatting",
    "vision": "Looking at pictures",
    "image": "Drawing",
    "speech": "Listening to voice notes",
    "voice": "Reading aloud",
    "embed": "Comparing meanings",
    "moderate": "Screening",
}


async def find_models(
    config: "Config", *, ports: Mapping[int, str] = LOCAL_PORTS, lessons: Lessons | None = None
) -> Models:
    """The models of this installation. Never fails because a server is down: that shows when it is asked.

    `ports` are where to look for a server on this machine, with the name of the profile each is taken for. `lessons`
    are what was learned of models before.
    """
    connection, prices = Connection(lessons), Prices(read_prices(config.prices))
    servers = named_servers(config, connection, prices)
    if not servers and config.probe:
        servers = await _probe(ports, connection, prices)
    main: Provider = next(iter(servers.values())) if servers else Practice()
    await asyncio.gather(
        *(each.learn_models() for each in servers.values() if isinstance(each, Compatible | HuggingFace))
    )
    roles: dict[Role, Sequence[Choice]] = {}
    off: dict[Role, str] = {}
    for role in _ROLES:
        roles[role], off[role] = _choices(role, config, main, servers, connection, prices)
    offered = _offered(config, main, servers, connection, prices)
    return Models(roles, off=off, offered=offered, prices=prices, close=connection.close)


async def _probe(ports: Mapping[int, str], connection: Connection, prices: Prices) -> dict[str, Provider]:
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
        return Compatible(profile, "", connection, listed, prices) if pick("chat", listed, {}) else None

    found = await asyncio.gather(*(ask(port, name) for port, name in ports.items()))
    for server in found:
        if server is not None:
            log.info("model server found on this machine", server=server.label)
            return {str(server.name): server}
    return {}


def _choices(
    role: Role, config: "Config", main: Provider, servers: dict[str, Provider], connection: Connection, prices: Prices
) -> tuple[list[Choice], str]:
    """What to ask for a role, in order, and what to say should nobody serve it."""
    named = _models_for(role, config)
    if not named:
        others = [] if main.model_for(role) else [each for each in servers.values() if each.model_for(role)]
        return [Choice(main), *(Choice(each) for each in others)], _why_off(role, main)
    choices: list[Choice] = []
    missing = ""
    for entry in named:
        if choice := _choice(entry, main, servers, connection, prices):
            choices.append(choice)
        else:
            missing = _missing(role, entry.partition(":")[0])
            log.warning("model names a server that is not set up", role=role, server=entry.partition(":")[0])
    return choices, missing or _why_off(role, main)


def _choice(
    entry: str, main: Provider, servers: dict[str, Provider], connection: Connection, prices: Prices
) -> Choice | None:
    """The choice that is named so; `None` where its server is not set up."""
    name, _, model = entry.partition(":")
    if (name not in PROFILES and name not in servers) or not model:
        # A colon may be part of a model's own name, as in `llama3:8b`.
        return Choice(main, entry if not isinstance(main, Practice) else "")
    if name not in servers and PROFILES[name].free:
        servers[name] = local_server(name, connection, prices)
    return Choice(servers[name], model) if name in servers else None


def _offered(
    config: "Config", main: Provider, servers: dict[str, Provider], connection: Connection, prices: Prices
) -> dict[Role, list[Choice]]:
    """What moderators may choose besides."""
    offered: dict[Role, list[Choice]] = {}
    for entry in config.allowed_models:
        role, _, name = entry.rpartition("=")
        if choice := _choice(name, main, servers, connection, prices):
            offered.setdefault(_ROLE_NAMES.get(role, "chat"), []).append(choice)
        else:
            log.warning("allowed model names a server that is not set up", server=name.partition(":")[0])
    return offered


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
    spoken = main.profile.spoken if isinstance(main, Compatible | HuggingFace) else main.label
    match main.name:
        case "practice":
            # Ollama neither speaks nor screens.
            remedy = "Set OPENAI_API_KEY." if role in ("voice", "moderate") else "Set OPENAI_API_KEY, or start Ollama."
        case "azure":
            remedy = f"Set {setting} to the name of a deployment."
        case "huggingface" | "openrouter":
            remedy = f"{spoken} does not offer it this way. Set OPENAI_API_KEY and {setting}=openai:…"
        case _:
            remedy = f"{spoken} shows no model for it. Set {setting} to one that it has."
    return f"{_DOES[role]} is off. {remedy}"


def _missing(role: Role, server: str) -> str:
    needed = NEEDED.get(server, f"PARLEY_SERVERS={server}=ADDRESS")
    return f"{_DOES[role]} is off. PARLEY_{role.upper()}_MODEL names {server}: set {needed}."
