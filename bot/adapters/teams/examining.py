"""What `parley doctor` tries of Teams: the settings, the sign-in, the keys, the clock, the address."""

import asyncio
import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal

import aiohttp
import orjson

from bot.adapter import AdapterOff, Examined
from bot.adapters.teams.credentials import Certificate, Credentials, ManagedIdentity, credentials_of
from bot.adapters.teams.gate import cloud_root
from bot.adapters.teams.hosts import parse

if TYPE_CHECKING:
    from bot.config import Config

__all__ = ["examine"]

_Finding = tuple[Literal["on", "wrong"], str, str]

_SECONDS = 10.0
_MOST_CLOCK = 240.0  # Teams' tokens forgive five minutes
_SOON_DAYS = 14
_TENANT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[\w-]+(\.[\w-]+)+")
_MANY = ("common", "organizations", "consumers", "botframework.com")
_REFUSALS = {
    "7000215": "TEAMS_APP_PASSWORD is wrong: it has to be the secret's value, not its id",
    "7000222": "TEAMS_APP_PASSWORD has expired: make a new secret in the app registration",
    "700016": "TEAMS_APP_ID is not known in the tenant TEAMS_TENANT_ID",
    "90002": "there is no tenant TEAMS_TENANT_ID",
    "700027": "the certificate of PARLEY_TEAMS_CERTIFICATE was not uploaded to the app registration",
    "700024": "this machine's clock is wrong",
}


async def examine(config: "Config") -> list[Examined]:
    """Try everything without changing anything."""
    return [Examined(what=what, well=mark == "on", text=text) for mark, what, text in await _examine(config)]


async def _examine(config: "Config") -> list[_Finding]:
    if config.teams_anonymous and not config.teams_app_id:
        return [("on", "teams", "without credentials, for the Agents Playground on this machine")]
    tenant = config.teams_tenant_id.strip()
    found = [_settings(config, tenant)]
    if found[0][0] == "wrong":
        return found
    try:
        credentials = credentials_of(config)
    except AdapterOff as error:
        return [*found, ("wrong", "teams credentials", str(error))]
    if isinstance(credentials, Certificate):
        found.append(_certificate(credentials))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS), trust_env=True) as session:
        tried = [_sign_in(session, config, credentials), _keys(session, config)]
        if config.teams_endpoint:
            tried.append(_endpoint(session, config.teams_endpoint))
        for each in await asyncio.gather(*tried):
            found += each
    return found


def _settings(config: "Config", tenant: str) -> _Finding:
    proof = (config.teams_app_password, config.teams_certificate, config.teams_managed_identity or None)
    missing = [
        name
        for name, there in (
            ("TEAMS_APP_ID", config.teams_app_id.strip()),
            ("TEAMS_APP_PASSWORD", any(each is not None for each in proof)),
            ("TEAMS_TENANT_ID", tenant),
        )
        if not there
    ]
    if missing:
        return "wrong", "teams settings", f"Set {' and '.join(missing)}."
    if tenant.lower() in _MANY or not _TENANT.fullmatch(tenant):
        text = (
            "TEAMS_TENANT_ID has to be your own tenant's id: bots for many tenants can no longer be registered. "
            "It is on the app registration's page in Azure, as “Directory (tenant) ID”."
        )
        return "wrong", "teams settings", text
    kind = (
        "managed identity"
        if config.teams_managed_identity
        else "certificate"
        if config.teams_certificate is not None
        else "secret"
    )
    return "on", "teams settings", f"single tenant, with a {kind}"


def _certificate(credentials: Certificate) -> _Finding:
    left = (credentials.certificate.not_valid_after_utc - datetime.now(UTC)).days
    if left < 0:
        return "wrong", "teams certificate", "It has expired: make a new one, and upload it to the app registration."
    text = f"good for {left} more days"
    return "wrong" if left < _SOON_DAYS else "on", "teams certificate", text


async def _sign_in(session: aiohttp.ClientSession, config: "Config", credentials: Credentials) -> list[_Finding]:
    openid = parse(config.teams_openid_url)
    scope = f"{cloud_root((openid.host or '') if openid else '')}/.default"
    asking = await credentials.asking(scope)
    try:
        async with session.request(
            asking.method,
            asking.address,
            data=asking.form,
            params=asking.query,
            headers=asking.headers,
            allow_redirects=False,
        ) as response:
            body = await response.content.read(64 * 1024)
            clock = _clock(response.headers.get("Date", ""))
            if response.status == 200:
                return [("on", "teams sign-in", "the app's credentials are good"), *clock]
            if response.status in (400, 401, 403):
                code = re.search(rb"AADSTS(\d+)", body)
                why = _REFUSALS.get(code[1].decode(), "") if code else ""
                text = f"Microsoft refuses the bot: {why or credentials.remedy}."
                return [("wrong", "teams sign-in", text), *clock]
            status = f"status {response.status}"
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        status = type(error).__name__
    where = "The managed identity's endpoint" if isinstance(credentials, ManagedIdentity) else config.teams_login_url
    return [("wrong", "teams sign-in", f"{where} cannot be used ({status}).")]


def _clock(date: str) -> list[_Finding]:
    """How this machine's clock goes, by the Date of Microsoft's server."""
    try:
        off = time.time() - parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return []
    if abs(off) > _MOST_CLOCK:
        way = "fast" if off > 0 else "slow"
        return [("wrong", "clock", f"It is {abs(off) / 60:.0f} minutes {way}: Teams' tokens would be refused. Set it.")]
    return [("on", "clock", "right")]


async def _keys(session: aiohttp.ClientSession, config: "Config") -> list[_Finding]:
    try:
        async with session.get(config.teams_openid_url, allow_redirects=False) as response:
            address = orjson.loads(await response.content.read(64 * 1024))["jwks_uri"]
        async with session.get(address, allow_redirects=False) as response:
            count = len(orjson.loads(await response.content.read(1024 * 1024))["keys"])
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
        text = f"the keys that Teams signs with cannot be fetched ({type(error).__name__}): look at the network"
        return [("wrong", "teams keys", text)]
    return [("on", "teams keys", f"{count} are published")]


async def _endpoint(session: aiohttp.ClientSession, endpoint: str) -> list[_Finding]:
    """Ask the address from outside as Teams does, but without a token: it has to say that it wants one."""
    if not endpoint.startswith("https://") and (url := parse(endpoint)) is not None and url.host != "127.0.0.1":
        return [("wrong", "teams endpoint", "Azure sends messages to an address that begins with https:// only.")]
    try:
        async with session.post(endpoint, json={"type": "message"}, allow_redirects=False) as response:
            status = response.status
            ours = status == 401 and response.headers.get("WWW-Authenticate") == "Bearer"
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return [("wrong", "teams endpoint", f"{endpoint} cannot be reached ({type(error).__name__}).")]
    if ours:
        return [("on", "teams endpoint", "it is there, and asks for a token")]
    text = f"{endpoint} answers with status {status}; Parley would say 401. Is it the address of /api/messages?"
    return [("wrong", "teams endpoint", text)]
