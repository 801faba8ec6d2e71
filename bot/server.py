"""The one HTTP server that all adapters share, and what it says about the bot itself: is it alive, ready, busy?"""

import asyncio
import hmac
import ipaddress
from collections.abc import Iterable

from aiohttp import web

from bot.adapter import Adapter
from bot.connections import Connections, is_passed_on
from bot.health import Health
from bot.metrics import rendered

__all__ = ["PortTaken", "Server"]

_BODY_BYTES = 128 * 1024 * 1024  # an adapter's own route sets the limit that fits it; this only bounds the sum


class PortTaken(Exception):
    """The address cannot be bound; the text says what to do."""


class Server:
    """Serves the routes of every adapter on one address.

    `/healthz` says that the process is alive, `/readyz` whether questions can be taken and answered; both are `health`
    in numbers. `/metrics`, and what is behind those two words, is shown to this machine, and to whoever brings `token`.
    """

    def __init__(self, host: str, port: int, health: Health, token: str = "") -> None:
        self._host = host
        self._health = health
        self.token = token
        self._runner: web.AppRunner | None = None
        self._listening: asyncio.Server | None = None
        self._connections = Connections()
        self.port = port

    async def start(self, adapters: Iterable[Adapter]) -> None:
        """Bind and listen; `port` is then the real one. Raises `PortTaken`."""
        application = web.Application(client_max_size=_BODY_BYTES, middlewares=[self._connections.follow])
        application.router.add_get("/healthz", self._alive)
        application.router.add_get("/readyz", self._ready)
        application.router.add_get("/metrics", self._metrics)
        for adapter in adapters:
            application.router.add_routes(adapter.routes())
        # Packed bodies stay packed: a few bytes can unfold to gigabytes, and would even where nobody reads them.
        self._runner = web.AppRunner(
            application,
            access_log=None,
            shutdown_timeout=5,
            keepalive_timeout=75,  # longer than the 60 s of usual proxies: else they use what is just being closed
            lingering_time=5,
            auto_decompress=False,
            handle_signals=False,
        )
        await self._runner.setup()
        assert self._runner.server is not None
        connect = self._connections.watched(self._runner.server)
        try:
            self._listening = await asyncio.get_running_loop().create_server(
                connect, self._host, self.port, backlog=512
            )
        except OSError as error:
            await self.close()
            raise PortTaken(
                f"{self._host}:{self.port} cannot be used: {error.strerror or error}. "
                "Perhaps another program uses it: stop that one, or choose another port with PORT=…"
            ) from None
        self.port = self._listening.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and end what is being served."""
        if self._listening is not None:
            self._listening.close()
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
        self._connections.close()

    async def _alive(self, request: web.Request) -> web.Response:
        facts = self._health.alive()
        return web.json_response(facts if self._may_see(request) else {"alive": True})

    async def _ready(self, request: web.Request) -> web.Response:
        facts = await self._health.ready()
        shown = facts if self._may_see(request) else {"ready": facts["ready"], "troubles": sorted(facts["troubles"])}
        return web.json_response(shown, status=200 if facts["ready"] else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        if not self._may_see(request):
            return web.Response(status=403, text="Ask from this machine, or with PARLEY_WEB_TOKEN as a bearer token.\n")
        return web.Response(body=rendered(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    def _may_see(self, request: web.Request) -> bool:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        if self.token and hmac.compare_digest(given, self.token.encode()):
            return True
        try:
            return _is_here(request.remote) and _is_here(request.url.host) and not is_passed_on(request)
        except ValueError:  # what is asked for is no host
            return False


def _is_here(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
