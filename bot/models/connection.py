"""The one HTTP client that all model servers share, the openai clients on top of it, and a shorter way past them."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from bot.models.profiles import Profile, is_loopback
from bot.models.quirks import Lessons

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from openai import AsyncOpenAI, DefaultAioHttpClient

__all__ = ["Connection", "Key", "Reply", "Sender"]

Key = str | Callable[[], Awaitable[str]]  # or what gives a token that is valid now

_CONNECT_SECONDS = 5.0
_AT_ONCE = 256 * 1024  # bytes


class Connection:
    """Made once per process: its connections and its TLS set-up are what is dear about a client.

    `lessons` is what has been learned of the models at its other end.
    """

    def __init__(self, lessons: Lessons | None = None) -> None:
        self.lessons = lessons or Lessons()
        self._http: DefaultAioHttpClient | None = None
        self._session: ClientSession | None = None
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
        if profile.api_version or not isinstance(key, str):
            return None
        if self._session is None:
            self._session = _session()
        return Sender(self._session, client, key or "none")

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None
        if self._session is not None:
            await self._session.close()
            self._session = None
            # Sockets under TLS are closed by the event loop in the round after.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)


class Reply(Protocol):
    """An answer whose body is still to be read. Header names are found in any case."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    def aiter_bytes(self) -> AsyncIterator[bytes]: ...
    async def aclose(self) -> None: ...


class Sender:
    """Posts JSON to one server with the headers of its openai client.

    What the library and the client below it do for every request costs more than the sending; here it is done once.
    """

    def __init__(self, session: "ClientSession", client: "AsyncOpenAI", key: str) -> None:
        from multidict import CIMultiDict

        told = {name: value for name, value in client.default_headers.items() if isinstance(value, str)}
        own = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Accept": "application/json"}
        self._headers = CIMultiDict(told | own | {"Accept-Encoding": "identity"})
        self._base = str(client.base_url).rstrip("/")
        self._proxy = _proxy_for(self._base)
        self._session = session

    async def post(self, path: str, content: bytes) -> Reply:
        """The answer, whatever its status."""
        data = content if len(content) < _AT_ONCE else io.BytesIO(content)  # more is sent in pieces
        return _Reply(
            await self._session.post(
                f"{self._base}{path}", data=data, headers=self._headers, proxy=self._proxy, allow_redirects=False
            )
        )


class _Reply:
    """aiohttp's response with the names of the other one."""

    __slots__ = ("_response", "headers", "status_code")

    def __init__(self, response: "ClientResponse") -> None:
        self._response = response
        self.status_code = response.status
        self.headers: Mapping[str, str] = response.headers

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        return self._response.content.iter_any()

    async def aclose(self) -> None:
        """Keep the connection where all has been read, else hang up."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


def _proxy_for(url: str) -> str | None:
    """The proxy that the environment names for an address; never one for this machine."""
    parts = urlsplit(url)
    if is_loopback(url) or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def _session() -> "ClientSession":
    import aiohttp
    import httpx2

    return aiohttp.ClientSession(
        # How long an answer may take is decided per call, how many there may be at once elsewhere.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
        connector=aiohttp.TCPConnector(limit=0, ssl=httpx2.create_ssl_context()),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _shared_client() -> "DefaultAioHttpClient":
    import httpx2
    from openai import DefaultAioHttpClient

    return DefaultAioHttpClient(
        timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS),  # how long an answer may take is decided per call
        follow_redirects=False,  # neither a prompt nor a key goes to another place than was configured
        mounts=dict.fromkeys(("all://127.0.0.1", "all://localhost", "all://[::1]")),  # never through a proxy
    )
