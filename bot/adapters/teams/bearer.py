"""The bot's own access token: fetched once for all who need it, renewed before it ends."""

import asyncio
import contextlib
import math
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
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")
_PATIENCE = aiohttp.ClientTimeout(total=10, sock_connect=5)
_AGAIN = 0.5  # seconds for which a failure is everybody's
_RENEWING = 1.0  # seconds that a renewal is waited for while the token of before is still good
_MOST_USELESS = 300.0  # between two renewals of a token that is refused however new it is


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
        self._good_until = self._ends_at = float("-inf")
        self._flight: asyncio.Task[str] | None = None
        self._failure: SignInFailed | None = None
        self._failed_at = float("-inf")
        self._useless = 0  # renewals since a token was last accepted
        self._renewed_at = float("-inf")
        self.trouble = "the bot has not signed in yet"

    async def token(self) -> str:
        """A token that is good for minutes at least, or the old one while a new one cannot be had.

        Raises `SignInFailed`.
        """
        if self._token and self._clock() < self._good_until:
            return self._token
        left = self._token and self._clock() < self._ends_at
        if self._failure is not None and self._clock() - self._failed_at < _AGAIN:
            if left:
                return self._token
            raise SignInFailed(str(self._failure), final=False)  # a moment later it is asked for again
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._renew(), name="teams sign-in")
            self._flight.add_done_callback(_seen)
        if not left:
            return await asyncio.shield(self._flight)
        with contextlib.suppress(SignInFailed, TimeoutError):
            return await asyncio.wait_for(asyncio.shield(self._flight), _RENEWING)
        return self._token

    def use(self, credentials: Credentials) -> None:
        """Sign in with these from now on."""
        self._credentials, self._token, self._failure, self._flight = credentials, "", None, None

    def forget(self, token: str) -> bool:
        """This token was refused. Whether there is another one to be had: the next one who asks signs in again.

        Where new tokens are refused, too, that is less and less often.
        """
        if token != self._token:
            return True  # somebody has done so already
        self.trouble = "Teams refuses the bot's token"
        wait = min(2.0 ** min(self._useless, 9), _MOST_USELESS) if self._useless else 0.0
        if self._clock() - self._renewed_at < wait:
            return False
        self._renewed_at = self._clock()
        self._useless += 1
        self._token = ""
        return True

    def accepted(self, token: str) -> None:
        """This token was taken."""
        if self._useless and token == self._token:
            self._useless = 0
            self.trouble = ""

    async def close(self) -> None:
        """Ask for nothing more."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)

    async def _renew(self) -> str:
        """One sign-in, for all who wait."""
        credentials = self._credentials
        try:
            token, seconds = await self._sign_in()
        except SignInFailed as error:
            self._failure, self._failed_at = error, self._clock()
            self.trouble = str(error)
            raise
        if self._credentials is not credentials:
            return token  # others are to be used by now
        self._failure = None
        if not self._useless:
            self.trouble = ""
        self._token = token
        self._ends_at = self._clock() + seconds
        self._good_until = self._clock() + max(seconds - _EARLY, _LEAST)
        return token

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
                timeout=_PATIENCE,
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
            token, seconds = answer["access_token"], float(answer["expires_in"])
            if not isinstance(token, str) or not _TOKEN.fullmatch(token) or not math.isfinite(seconds):
                raise ValueError("no token")
        except (ValueError, KeyError, TypeError) as error:
            log.warning("sign-in server gave no token", status=status, error=type(error).__name__)
            raise SignInFailed("the sign-in server gave no token", final=False) from None
        return token, seconds


def _seen(flight: "asyncio.Task[str]") -> None:
    """Nobody need be waiting any more for it to fail."""
    if not flight.cancelled():
        flight.exception()
