"""`parley doctor`: what is on, what is off, why, and the one thing to do about it."""

import asyncio
import socket
import sys
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from bot.printing import Mark, show_rows, told
from bot.version import __version__
from storage import InUse, StorageError, open_store

if TYPE_CHECKING:
    from bot.config import Config

__all__ = ["Finding", "examine", "invitations", "show"]

_SECONDS = 10.0  # for a server to say something
_DISCORD = "https://discord.com/api/v10"


@dataclass(frozen=True, slots=True)
class Finding:
    """`wrong` is what is set up and cannot work; `off` is what nobody has set up, and no fault."""

    mark: Mark
    what: str
    text: str


async def examine(config: "Config", *, platforms: Collection[str] = ()) -> list[Finding]:
    """Look at everything, change nothing but what a start would create too. A Parley that runs is not disturbed.

    With `platforms`, look at those only, and closely.
    """
    if platforms:
        return [each for platform in platforms for each in await _closely(config, platform)]
    found = [_python(), _folder(config)]
    if found[-1].mark == "wrong":
        return found  # nothing else can be tried without it
    neighbour = await _answers(config)
    found += [await _database(config, neighbour), _port(config, neighbour)]
    found += await _parts(config)
    found += await _servers(config)
    return found


def show(findings: Iterable[Finding]) -> bool:
    """Print what was found; whether nothing is wrong."""
    findings = list(findings)
    show_rows((each.mark, each.what, each.text) for each in findings)
    wrong = sum(each.mark == "wrong" for each in findings)
    print()
    print("Everything that is set up works." if not wrong else f"{wrong} of these need your attention: see “!!” above.")
    return not wrong


def _python() -> Finding:
    return Finding("on", "python", ".".join(map(str, sys.version_info[:3])))


def _folder(config: "Config") -> Finding:
    try:
        config.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=config.folder) as file:
            file.write(b"doctor")
    except OSError as error:
        text = f"{config.folder} cannot be written ({error.strerror}). Name a folder that can be with PARLEY_DATA."
        return Finding("wrong", "data folder", text)
    return Finding("on", "data folder", str(config.folder))


async def _answers(config: "Config") -> bool:
    """Whether a Parley is at work at this address already."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
            session.get(f"http://{_near(config.host)}:{config.port}/healthz") as response,
        ):
            return response.status == 200 and b'"alive": true' in await response.content.read(1024)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False


async def _database(config: "Config", neighbour: bool) -> Finding:
    try:
        store = await open_store(config.database)
    except StorageError as error:
        if neighbour and isinstance(error, InUse):
            return Finding("on", "database", "in use by the Parley that is running")
        return Finding("wrong", "database", str(error))
    path = store.database.path
    await store.close()
    return Finding("on", "database", str(path))


def _port(config: "Config", neighbour: bool) -> Finding:
    where = f"{config.host}:{config.port}"
    if neighbour:
        return Finding("on", "port", f"{where}, where a Parley is running")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        text = f"{where} cannot be used ({error.strerror}). Choose another with PORT=… or PARLEY_HOST=…"
        return Finding("wrong", "port", text)
    return Finding("on", "port", f"{where} is free" if config.port else "any that is free")


async def _parts(config: "Config") -> list[Finding]:
    """Platforms, models and skills as a start would find them, beside a database of their own."""
    from bot.app import Parley

    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{Path(folder) / 'doctor.db'}"
        parley = await Parley.open(config.model_copy(update={"database_url": database}))
        try:
            rows = parley.report()
        finally:
            await parley.close()
    return [_part(config, what, on, text) for what, on, text in rows]


async def _closely(config: "Config", platform: str) -> list[Finding]:
    """What a platform itself says of the bot."""
    from bot.app import Parley
    from bot.commands import commands_of

    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{Path(folder) / 'doctor.db'}"
        parley = await Parley.open(config.model_copy(update={"database_url": database}), only=(platform,))
        try:
            if platform in parley.off:
                return [Finding("wrong", platform, parley.off[platform])]
            adapter = parley.adapters[0]
            adapter.commands = commands_of(found.skill for found in parley.skills if found.skill is not None)
            seen = await adapter.examine()
        finally:
            await parley.close()
    return [Finding("on" if each.well else "wrong", each.what, each.text) for each in seen]


async def invitations(config: "Config") -> list[Finding]:
    """Where the bot is added to communities, for each platform that has such an address."""
    from bot.adapter import AdapterOff
    from bot.app import Parley

    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{Path(folder) / 'doctor.db'}"
        parley = await Parley.open(config.model_copy(update={"database_url": database}), only=("discord",))
        try:
            found = [Finding("wrong", name, why) for name, why in parley.off.items()]
            for adapter in parley.adapters:
                try:
                    found.append(Finding("on", adapter.name, await adapter.invite()))
                except AdapterOff as error:
                    found.append(Finding("wrong", adapter.name, str(error)))
                except Exception as error:  # noqa: BLE001 - whatever its library raises, the bot cannot sign in
                    text = (
                        f"the bot cannot sign in ({type(error).__name__}). `parley doctor --{adapter.name}` says more."
                    )
                    found.append(Finding("wrong", adapter.name, text))
        finally:
            await parley.close()
    return found


def _part(config: "Config", what: str, on: bool, text: str) -> Finding:
    if on:
        text = "served at this address" if text.startswith("http://") else text
        return Finding("on", what, told(what, text))
    return Finding("wrong" if what.startswith("skill ") or _is_wanted(config, what) else "off", what, text)


def _is_wanted(config: "Config", what: str) -> bool:
    """Whether somebody has set something for it: then that it is off is a fault."""
    match what:
        case "discord":
            return config.discord_token is not None
        case "teams":
            return bool(config.teams_app_id or config.teams_app_password or config.teams_anonymous)
        case "web":
            return True
        case _:
            role = what.removesuffix(" model")
            return bool(getattr(config, f"{role}_model", ()))


async def _servers(config: "Config") -> list[Finding]:
    """Ask the servers that the configuration names whether they are there and take the key."""
    from bot.models.profiles import PROFILES, profile_for

    asking = []
    key = config.openai_api_key.get_secret_value() if config.openai_api_key else ""
    if config.openai_base_url or key:
        profile = profile_for(config.openai_base_url, keyed=bool(key)) if config.openai_base_url else PROFILES["openai"]
        asking.append(_model_server(config, profile.label, profile.base_url, key))
    if config.hf_token:
        profile = PROFILES["huggingface"]
        asking.append(_model_server(config, profile.label, profile.base_url, config.hf_token.get_secret_value()))
    if config.discord_token:
        asking.append(_discord(config))
    found = list(await asyncio.gather(*asking))
    if config.teams_app_id and (config.teams_app_password or config.teams_certificate or config.teams_managed_identity):
        found += await _closely(config, "teams")
    return found


async def _model_server(config: "Config", label: str, base_url: str, key: str) -> Finding:
    from bot.models.listing import list_models
    from bot.models.profiles import OFFICIAL

    try:
        listed = await list_models(base_url, key, _SECONDS)
    except ValueError as error:
        if str(error) in ("status 401", "status 403"):
            return Finding("wrong", "model server", f"{label} refuses the key. Copy it again, or make a new one.")
        return Finding("on", "model server", f"{label} answers, but lists no models")
    except OSError:
        text = f"{label} does not answer at {base_url}. Start it, or correct OPENAI_BASE_URL."
        return Finding("wrong", "model server", text)
    roles = ("chat", "vision", "image", "speech", "voice", "embed", "moderate")
    named = {name.removeprefix("openai:") for role in roles for name in getattr(config, f"{role}_model")}
    ending = [
        f"{each.id} ends on {each.shutdown}"
        for each in listed
        if each.shutdown and each.id in named | {*OFFICIAL.values()}
    ]
    told = "".join(f"; {each}" for each in ending)
    return Finding("on", "model server", f"{label} answers and lists {len(listed)} model(s){told}")


async def _discord(config: "Config") -> Finding:
    assert config.discord_token is not None
    token = config.discord_token.get_secret_value().removeprefix("Bot ")
    headers = {"Authorization": f"Bot {token}", "User-Agent": f"DiscordBot (parleybot, {__version__})"}
    address = f"{config.discord_api or _DISCORD}/users/@me"
    try:
        async with _session() as session, session.get(address, headers=headers) as response:
            if response.status == 200:
                name = (await response.json()).get("username", "")
                return Finding("on", "discord sign-in", f"the token is good: it signs in as {name}")
            if response.status in (401, 403):
                text = "Discord refuses DISCORD_TOKEN. Make a new one: developer portal → your application → Bot."
                return Finding("wrong", "discord sign-in", text)
            status = f"it answers with status {response.status}"
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        status = type(error).__name__
    return Finding("wrong", "discord sign-in", f"Discord cannot be reached ({status}). Look at the network or a proxy.")


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(trust_env=True, timeout=aiohttp.ClientTimeout(total=_SECONDS))


def _near(host: str) -> str:
    """Where this machine reaches what is bound to `host`."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - the name of every address
    return f"[{host}]" if ":" in host else host
