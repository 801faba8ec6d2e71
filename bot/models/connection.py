"""The one HTTP client that all model servers share, the openai clients on top of it, and a shorter way past them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from bot.models.profiles import Profile

if TYPE_CHECKING:
    from httpx2 import URL, Response
    from openai import AsyncOpenAI, DefaultAioHttpClient

__all__ = ["Connection", "Key", "Sender"]

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

    def sender(self, client: "AsyncOpenAI", profile: Profile, key: Key) -> "Sender | None":
        """The shorter way for this client; `None` where the library has to prepare every request."""
        if self._http is None or profile.api_version or not isinstance(key, str):
            return None
        return Sender(self._http, client, key or "none")

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None
            # Sockets under TLS are closed by the event loop in the round after.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)


class Sender:
    """Posts JSON to one server with the headers of its openai client, over the same connections.

    What the library does before every request costs more than sending it; here it is done once.
    """

    def __init__(self, http: "DefaultAioHttpClient", client: "AsyncOpenAI", key: str) -> None:
        import httpx2

        told = {name: value for name, value in client.default_headers.items() if isinstance(value, str)}
        own = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Accept": "application/json"}
        self._headers = httpx2.Headers(told | own)
        self._base = str(client.base_url).rstrip("/")
        self._extensions = {"timeout": http.timeout.as_dict()}
        self._urls: dict[str, URL] = {}
        self._http = http

    async def post(self, path: str, content: bytes) -> "Response":
        """A response whose body is still to be read, whatever its status."""
        import httpx2

        if path not in self._urls:
            self._urls[path] = httpx2.URL(f"{self._base}{path}")
        url, extensions = self._urls[path], dict(self._extensions)
        request = httpx2.Request("POST", url, headers=self._headers, content=content, extensions=extensions)
        return await self._http.send(request, stream=True)


def _shared_client() -> "DefaultAioHttpClient":
    import httpx2
    from openai import DefaultAioHttpClient

    return DefaultAioHttpClient(
        timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS),  # how long an answer may take is decided per call
        follow_redirects=False,  # neither a prompt nor a key goes to another place than was configured
        mounts=dict.fromkeys(("all://127.0.0.1", "all://localhost", "all://[::1]")),  # never through a proxy
    )
