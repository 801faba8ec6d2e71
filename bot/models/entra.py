"""Signing in at Microsoft Entra ID, for Azure OpenAI without a key.

Three ways, the first that is set up: an app's secret (`AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`),
the token file of a Kubernetes workload (`AZURE_FEDERATED_TOKEN_FILE`, with tenant and client), or the managed identity
of the machine this runs on.
"""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from bot.models.errors import NotConfigured, Unavailable

__all__ = ["EntraToken", "SignIn"]

log = structlog.get_logger(__name__)

_SCOPE = "https://cognitiveservices.azure.com/.default"
_MACHINE = "http://169.254.169.254/metadata/identity/oauth2/token"
_SECONDS = 10.0
_BEFORE = 300.0  # seconds before its end that a token is renewed
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class SignIn:
    """What an operator set for signing in; `machine` is where the machine's own identity is asked for."""

    tenant: str = ""
    client: str = ""
    secret: str = ""
    authority: str = "https://login.microsoftonline.com"
    token_file: str = ""
    machine: str = _MACHINE


class EntraToken:
    """Call it for a token that is valid now. Raises a `ModelError` where there is none to be had."""

    def __init__(self, sign_in: SignIn) -> None:
        self._sign_in = sign_in
        self._token = ""
        self._until = 0.0
        self._asking = asyncio.Lock()

    async def __call__(self) -> str:
        async with self._asking:
            if time.monotonic() > self._until:
                told = await self._ask()
                token, lasts = told.get("access_token"), told.get("expires_in")
                if not isinstance(token, str) or not token:
                    raise Unavailable("Microsoft Entra ID")
                self._token = token
                self._until = time.monotonic() + max(float(lasts or 0) - _BEFORE, 60.0)
        return self._token

    async def _ask(self) -> dict[str, Any]:
        import aiohttp

        try:
            async with asyncio.timeout(_SECONDS), aiohttp.ClientSession(trust_env=self._by_form) as session:
                method, url, given = await self._request()
                async with session.request(method, url, allow_redirects=False, **given) as response:
                    if response.status == 200:
                        told = await response.json(content_type=None)
                        return told if isinstance(told, dict) else {}
                    status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            log.warning("no sign-in for Azure OpenAI", reason=type(error).__name__)
            if not self._by_form:  # no such identity where this runs
                raise self._not_set_up() from None
            raise Unavailable("Microsoft Entra ID") from None
        log.error("Microsoft Entra ID refuses the sign-in for Azure OpenAI", status=status)
        if status >= 500 or status == 429:
            raise Unavailable("Microsoft Entra ID")
        raise self._not_set_up()

    @property
    def _by_form(self) -> bool:
        set_up = self._sign_in
        return bool(set_up.tenant and set_up.client and (set_up.secret or set_up.token_file))

    async def _request(self) -> tuple[str, str, dict[str, Any]]:
        given = self._sign_in
        if self._by_form:
            form = {"grant_type": "client_credentials", "client_id": given.client, "scope": _SCOPE}
            if given.secret:
                form["client_secret"] = given.secret
            else:
                form["client_assertion_type"] = _ASSERTION
                form["client_assertion"] = (await asyncio.to_thread(Path(given.token_file).read_text, "utf-8")).strip()
            return "POST", f"{given.authority}/{given.tenant}/oauth2/v2.0/token", {"data": form}
        query = {"resource": _SCOPE.removesuffix("/.default")} | ({"client_id": given.client} if given.client else {})
        if address := os.environ.get("IDENTITY_ENDPOINT"):  # App Service, Functions, Container Apps
            headers = {"X-IDENTITY-HEADER": os.environ.get("IDENTITY_HEADER", "")}
            return "GET", address, {"params": query | {"api-version": "2019-08-01"}, "headers": headers}
        return "GET", given.machine, {"params": query | {"api-version": "2018-02-01"}, "headers": {"Metadata": "true"}}

    @staticmethod
    def _not_set_up() -> NotConfigured:
        return NotConfigured(
            "Azure OpenAI does not let me in. Whoever runs this bot has to set AZURE_OPENAI_API_KEY, or to check "
            "AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET."
        )
