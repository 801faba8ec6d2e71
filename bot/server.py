"""The one HTTP server that all adapters share, and what it says about the bot itself: is it alive, ready, busy?"""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

from bot.adapter import Adapter
from bot.metrics import rendered

__all__ = ["PortTaken", "Server"]

_BODY_BYTES = 128 * 1024 * 1024  # an adapter's own route sets the limit that fits it; this only bounds the sum


class PortTaken(Exception):
    """The address cannot be bound; the text says what to do."""


class Server:
    """Serves the routes of every adapter on one address.

    `troubles` says what keeps the bot from working, by part; empty when it is ready. `/metrics` is shown to this
    machine, and to whoever brings `token`.
    """

    def __init__(
        self, host: str, port: int, troubles: Callable[[], Awaitable[dict[str, str]]], token: str = ""
    ) -> None:
        self._host = host
        self._troubles = troubles
        self._token = token
        self._runner: web.AppRunner | None = None
        self.port = port

    async def start(self, adapters: Iterable[Adapter]) -> None:
        """Bind and listen; `port` is then the real one. Raises `PortTaken`."""
        application = web.Application(client_max_size=_BODY_BYTES)
        application.router.add_get("/healthz", self._alive)
        application.router.add_get("/readyz", self._ready)
        application.router.add_get("/metrics", self._metrics)
        for adapter in adapters:
            application.router.add_routes(adapter.routes())
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=5, keepalive_timeout=15, handle_signals=False
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        try:
            await site.start()
        except OSError as error:
            await self.close()
            raise PortTaken(
                f"{self._host}:{self.port} cannot be used: {error.strerror or error}. "
                "Perhaps another program uses it: stop that one, or choose another port with PORT=…"
            ) from None
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening and end what is being served."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _alive(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, _request: web.Request) -> web.Response:
        troubles = await self._troubles()
        return web.json_response({"ready": not troubles, "troubles": troubles}, status=503 if troubles else 200)

    async def _metrics(self, request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        allowed = bool(self._token) and hmac.compare_digest(given, self._token.encode())
        if not allowed and not (_is_here(request.remote) and _is_here(request.url.host)):
            return web.Response(status=403, text="Ask from this machine, or with PARLEY_WEB_TOKEN as a bearer token.\n")
        return web.Response(body=rendered(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


def _is_here(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
