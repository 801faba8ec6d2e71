"""The one HTTP client that all model servers share, and the openai clients on top of it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from bot.models.profiles import Profile

if TYPE_CHECKING:
    from openai import AsyncOpenAI, DefaultAioHttpClient

__all__ = ["Connection", "Key"]

Key = str | Callable[[], Awaitable[str]]  # or what gives a token that is valid now

_CONNECT_SECONDS = 5.0


class Connection:
    """Made once per process: its connections and its TLS set-up are what is dear about a client."""

    def __init__(self) -> None:
        self._http: DefaultAioHttpClient | None = None
        self._opening = asyncio.Lock()

    async def client(self, profile: Profile, key: Key) -> "AsyncOpenAI":
        """A client for this server, made in a thread: importing the library takes a second."""
        async with self._opening:
            if self._http is None:
                self._http = await asyncio.to_thread(_shared_client)
        return await asyncio.to_thread(self._build, profile, key)

    def _build(self, profile: Profile, key: Key) -> "AsyncOpenAI":
        from openai import AsyncAzureOpenAI, AsyncOpenAI

        if profile.api_version:
            return AsyncAzureOpenAI(
                azure_endpoint=profile.base_url,
                api_version=profile.api_version,
                api_key=key if isinstance(key, str) else None,
                azure_ad_token_provider=None if isinstance(key, str) else key,
                http_client=self._http,
                max_retries=0,
            )
        client = AsyncOpenAI(
            api_key=key or "none",  # an empty one would be looked up in the environment and sent to the wrong server
            base_url=profile.base_url,
            http_client=self._http,
            max_retries=0,
            default_headers={"Connection": "close"} if profile.hangs_up else None,
        )
        if profile.name not in ("openai", "custom"):  # they are no business of other servers
            client.organization = client.project = None
        return client

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None
            # Sockets under TLS are closed by the event loop in the round after.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)


def _shared_client() -> "DefaultAioHttpClient":
    import httpx2
    from openai import DefaultAioHttpClient

    return DefaultAioHttpClient(
        timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS),  # how long an answer may take is decided per call
        follow_redirects=False,  # neither a prompt nor a key goes to another place than was configured
        mounts=dict.fromkeys(("all://127.0.0.1", "all://localhost", "all://[::1]")),  # never through a proxy
    )
