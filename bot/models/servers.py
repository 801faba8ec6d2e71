"""The model servers that the environment names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import SecretStr

from bot.models.compatible import Compatible
from bot.models.connection import Connection
from bot.models.entra import EntraToken, SignIn
from bot.models.huggingface import HuggingFace
from bot.models.prices import Prices
from bot.models.profiles import PROFILES, Profile, profile_for
from bot.models.provider import Provider

if TYPE_CHECKING:
    from bot.config import Config

__all__ = ["NEEDED", "ServerAddress", "local_server", "named_servers", "read_servers"]


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """One entry of `PARLEY_SERVERS`."""

    name: str
    url: str
    key: str


def named_servers(config: "Config", connection: Connection, prices: Prices) -> dict[str, Provider]:
    """The servers that the environment names, by the name of their profile, the most wanted first."""
    servers: dict[str, Provider] = {}
    key = _open(config.openai_api_key)
    if config.openai_base_url:
        profile = profile_for(config.openai_base_url, keyed=bool(key))
        if profile.name == "azure":
            profile = azure_profile(config.openai_base_url, config.azure_openai_api_version)
        servers[profile.name] = Compatible(profile, key, connection, prices=prices)
    elif key:
        servers["openai"] = Compatible(PROFILES["openai"], key, connection, prices=prices)
    if config.azure_openai_endpoint:
        profile = azure_profile(config.azure_openai_endpoint, config.azure_openai_api_version)
        azure_key = _open(config.azure_openai_api_key) or EntraToken(_sign_in(config))
        servers.setdefault("azure", Compatible(profile, azure_key, connection, prices=prices))
    for address in read_servers(_open(config.servers)):
        servers.setdefault(address.name, _at(address, connection, prices))
    if router_key := _open(config.openrouter_api_key):
        servers.setdefault("openrouter", Compatible(PROFILES["openrouter"], router_key, connection, prices=prices))
    if token := _open(config.hf_token):
        servers.setdefault("huggingface", HuggingFace(token, connection, config.hf_url, prices))
    return servers


def local_server(name: str, connection: Connection, prices: Prices) -> Provider:
    """The server of this kind at its usual port on this machine."""
    profile = PROFILES[name]
    address = urlsplit(profile.base_url).netloc
    return Compatible(
        replace(profile, label=f"{profile.label} on this machine ({address})"), "", connection, prices=prices
    )


def read_servers(text: str) -> tuple[ServerAddress, ...]:
    """The entries of `PARLEY_SERVERS`: "name=address", separated by commas; a key stands before the host, as in
    `https://KEY@host/v1`. Raises `ValueError` that says what is wrong, without any key.
    """
    entries = []
    for number, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), 1):
        name, _, url = (part.strip() for part in entry.partition("="))
        parts = urlsplit(url)
        if not re.fullmatch(r"[a-z][a-z0-9_-]*", name) or parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"has to list name=address, such as vllm=http://gpu:8000/v1; entry {number} is none")
        key = unquote(parts.password or parts.username or "")
        host = parts.netloc.rpartition("@")[2]
        entries.append(ServerAddress(name, urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", "")), key))
    return tuple(entries)


def azure_profile(endpoint: str, api_version: str) -> Profile:
    """Azure's v1 interface, or the classic one where a version of it is named."""
    parts = urlsplit(endpoint)
    base = f"{parts.scheme}://{parts.netloc}"
    label = f"Azure OpenAI ({(parts.hostname or endpoint).partition('.')[0]})"
    base_url = base if api_version else f"{base}/openai/v1"
    return replace(PROFILES["azure"], base_url=base_url, label=label, api_version=api_version)


def _at(address: ServerAddress, connection: Connection, prices: Prices) -> Provider:
    profile = profile_for(address.url, keyed=bool(address.key))
    host = urlsplit(address.url).netloc
    if address.name in PROFILES and address.name != profile.name:
        kind = PROFILES[address.name]
        profile = replace(kind, base_url=profile.base_url, label=f"{kind.label} at {host}")
    elif address.name != profile.name:
        profile = replace(profile, name=address.name, label=f"{address.name} ({host})")
    return Compatible(replace(profile, key_name="PARLEY_SERVERS"), address.key, connection, prices=prices)


def _sign_in(config: "Config") -> SignIn:
    return SignIn(
        config.azure_tenant_id,
        config.azure_client_id,
        _open(config.azure_client_secret),
        config.azure_authority_host,
        config.azure_federated_token_file,
    )


def _open(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


NEEDED: Mapping[str, str] = {
    "azure": "AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY",
    "huggingface": "HF_TOKEN",
    "openai": "OPENAI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
}
