"""The keys that the Bot Framework signs with: fetched together, kept for a day, asked for again after a rotation."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt
import orjson
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from bot.adapters.teams.hosts import is_loopback, parse
from bot.adapters.teams.wire import Wire, read_limited

__all__ = ["Key", "Keys", "KeysUnavailable"]

log = structlog.get_logger(__name__)

_FRESH = 24 * 3600.0
_USABLE = 5 * 24 * 3600.0
_UNKNOWN_EVERY = 300.0  # one unknown key id in five minutes is worth a look; more are an attack
_RETRY_EVERY = 2.0
_DEADLINE = 5.0
_LARGEST = 512 * 1024
_MOST_WAITING = 100  # for the keys: whose key is known has to find a place while the others wait


class KeysUnavailable(Exception):
    """No keys are known and none can be fetched: nothing can be verified just now."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key and the channels it may speak for."""

    public: Any
    endorsements: frozenset[str]


class Keys:
    """The published keys. `find` waits only when there is no usable answer yet."""

    def __init__(self, address: str, wire: Wire, clock: Callable[[], float] = time.monotonic) -> None:
        self._address = address
        self._wire = wire
        self._clock = clock
        self._keys: dict[str, Key] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._unknown_at = float("-inf")
        self._flight: asyncio.Task[bool] | None = None
        self._waiting = 0

    @property
    def usable(self) -> bool:
        """Whether there are keys to verify anything with."""
        return self._clock() - self._fetched_at <= _USABLE

    async def find(self, kid: str) -> Key | None:
        """The key with this id, or None when there is none. Raises `KeysUnavailable`."""
        if not self.usable:
            if not await self.fetch():
                raise KeysUnavailable
            return self._keys.get(kid)
        if self._clock() - self._fetched_at > _FRESH:
            self._start()  # what is known stays good meanwhile
        if kid not in self._keys and self._may_look_again():
            if not await self.fetch():
                raise KeysUnavailable
            self._unknown_at = self._clock()
        return self._keys.get(kid)

    def _may_look_again(self) -> bool:
        flying = self._flight is not None and not self._flight.done()
        return flying or self._clock() - self._unknown_at >= _UNKNOWN_EVERY

    async def fetch(self) -> bool:
        """Fetch the keys, together with whoever else is asking; whether that worked."""
        flight = self._start()
        if flight is None or self._waiting >= _MOST_WAITING:
            return False
        self._waiting += 1
        try:
            return await asyncio.shield(flight)
        finally:
            self._waiting -= 1

    def _start(self) -> "asyncio.Task[bool] | None":
        if self._flight is None or self._flight.done():
            if self._clock() - self._tried_at < _RETRY_EVERY and self._tried_at > self._fetched_at:
                return None  # it failed a moment ago
            self._tried_at = self._clock()
            self._flight = asyncio.create_task(self._load(), name="teams keys")
        return self._flight

    async def close(self) -> None:
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)

    async def _load(self) -> bool:
        try:
            async with asyncio.timeout(_DEADLINE):
                metadata = await self._get(self._address)
                keys = _read_keys(await self._get(str(metadata["jwks_uri"])))
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError) as error:
            log.warning("bot framework keys could not be fetched", error=type(error).__name__)
            return False
        if not keys:
            log.warning("bot framework published no usable keys")
            return False
        self._keys = keys
        self._fetched_at = self._clock()
        log.debug("bot framework keys fetched", keys=len(keys))
        return True

    async def _get(self, address: str) -> Any:
        url = parse(address)
        if url is None or (url.scheme != "https" and not is_loopback(url.host)):
            raise ValueError("keys are fetched over https only")
        session = await self._wire.trusted()
        async with session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            return orjson.loads(await read_limited(response, _LARGEST))


def _read_keys(published: Any) -> dict[str, Key]:
    keys: dict[str, Key] = {}
    for entry in published["keys"]:
        if not isinstance(entry, dict) or entry.get("kty") != "RSA" or not isinstance(entry.get("kid"), str):
            continue
        try:
            public = jwt.PyJWK(entry, algorithm="RS256").key
        except (jwt.PyJWTError, ValueError, TypeError):
            log.warning("a bot framework key is malformed")
            continue
        if not isinstance(public, RSAPublicKey) or not 2048 <= public.key_size <= 8192:
            continue
        endorsements = entry.get("endorsements")
        named = endorsements if isinstance(endorsements, list) else []
        keys[entry["kid"]] = Key(public, frozenset(str(channel) for channel in named))
    return keys
