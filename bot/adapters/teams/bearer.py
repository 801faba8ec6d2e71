"""The bot's own access token: fetched once for all who need it, renewed before it ends."""

import asyncio
import re
import time
from collections.abc import Callable

import aiohttp
import orjson
import structlog

from bot.adapters.teams.credentials import Credentials
from bot.adapters.teams.wire import Wire, read_limited

__all__ = ["Bearer", "SignInFailed"]

log = structlog.get_logger(__name__)

_EARLY = 300.0  # seconds before its end that a token is renewed
_LEAST = 30.0  # seconds that even a short-lived token is used
_LARGEST = 64 * 1024


class SignInFailed(Exception):
    """No token was given. `final` when the credentials were refused: trying again is useless."""

    def __init__(self, reason: str, *, final: bool) -> None:
        super().__init__(reason)
        self.final = final


class Bearer:
    """A token for one scope, by whatever credentials there are."""

    def __init__(
        self, wire: Wire, credentials: Credentials, scope: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._wire = wire
        self._credentials = credentials
        self._scope = scope
        self._clock = clock
        self._token = ""
        self._good_until = float("-inf")
        self._lock = asyncio.Lock()
        self.trouble = "the bot has not signed in yet"

    async def token(self) -> str:
        """A token that is good for minutes at least. Raises `SignInFailed`."""
        async with self._lock:
            if not self._token or self._clock() >= self._good_until:
                try:
                    self._token, seconds = await self._sign_in()
                except SignInFailed as error:
                    self.trouble = str(error)
                    raise
                self.trouble = ""
                self._good_until = self._clock() + max(seconds - _EARLY, _LEAST)
            return self._token

    def use(self, credentials: Credentials) -> None:
        """Sign in with these from now on."""
        self._credentials, self._token = credentials, ""

    def forget(self, token: str) -> None:
        """This token was refused. The next one who asks signs in again, unless somebody has done so already."""
        if token == self._token:
            self._token = ""

    async def _sign_in(self) -> tuple[str, float]:
        asking = await self._credentials.asking(self._scope)
        try:
            session = await self._wire.trusted()
            async with session.request(
                asking.method,
                asking.address,
                data=asking.form,
                params=asking.query,
                headers=asking.headers,
                allow_redirects=False,
            ) as response:
                body = await read_limited(response, _LARGEST)
                status = response.status
        except (aiohttp.ClientError, OSError, ValueError) as error:
            log.warning("sign-in server cannot be reached", error=type(error).__name__)
            raise SignInFailed("the sign-in server cannot be reached", final=False) from None
        if status in (400, 401, 403):
            code = re.search(rb"AADSTS\d+", body)
            log.error(
                "Teams credentials were refused",
                status=status,
                code=code.group().decode() if code else "",
                remedy=self._credentials.remedy,
            )
            raise SignInFailed("the credentials were refused", final=True)
        try:
            if status != 200:
                raise ValueError(f"status {status}")
            answer = orjson.loads(body)
            token, seconds = str(answer["access_token"]), float(answer["expires_in"])
        except (ValueError, KeyError, TypeError) as error:
            log.warning("sign-in server gave no token", status=status, error=type(error).__name__)
            raise SignInFailed("the sign-in server gave no token", final=False) from None
        return token, seconds
