"""The one HTTP server that all adapters share, and `/healthz`."""

from collections.abc import Iterable

from aiohttp import web

from bot.adapter import Adapter

__all__ = ["PortTaken", "Server"]

_BODY_BYTES = 128 * 1024 * 1024  # an adapter's own route sets the limit that fits it; this only bounds the sum


class PortTaken(Exception):
    """The address cannot be bound; the text says what to do."""


class Server:
    """Serves the routes of every adapter on one address."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self.port = port

    async def start(self, adapters: Iterable[Adapter]) -> None:
        """Bind and listen; `port` is then the real one. Raises `PortTaken`."""
        application = web.Application(client_max_size=_BODY_BYTES)
        application.router.add_get("/healthz", _alive)
        for adapter in adapters:
            application.router.add_routes(adapter.routes())
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=5, keepalive_timeout=15, handle_signals=False
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        try:
            await site.start()
        except OSError as error:
            await self.close()
            raise PortTaken(
                f"{self._host}:{self._port} cannot be used: {error.strerror or error}. "
                "Perhaps another program uses it: stop that one, or choose another port with PORT=…"
            ) from None
        addresses = self._runner.addresses
        self.port = addresses[0][1] if addresses else self._port

    async def close(self) -> None:
        """Stop listening and end what is being served."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()


async def _alive(request: web.Request) -> web.Response:
    del request
    return web.Response(text="ok\n")
