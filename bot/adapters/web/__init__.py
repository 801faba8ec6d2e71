"""The web page: a chat of one's own, served on this machine."""

import asyncio
from collections.abc import Collection, Iterable
from typing import ClassVar
from urllib.parse import quote

import structlog
from aiohttp.web import AbstractRouteDef

from bot.adapter import Adapter, AdapterOff, Host, Limits
from bot.adapters.web.access import Access, page_token
from bot.adapters.web.api import Api
from bot.adapters.web.events import Events
from bot.adapters.web.transcript import Transcript
from bot.adapters.web.uploads import FILE_BYTES
from bot.config import Config
from bot.errors import UserError
from bot.messages import Attachment, Channel, Reply
from storage import Rooms, Store

__all__ = ["Web"]

log = structlog.get_logger(__name__)


class Web(Adapter):
    """Shows and hears through the page. Its rooms are channels of the platform `web`, and whoever holds the token is
    the owner of them all.
    """

    name: ClassVar[str] = "web"
    own: ClassVar[bool] = True

    def __init__(self, config: Config, store: Store) -> None:
        super().__init__(config, store)
        self._token = page_token(config)
        self._events = Events()
        self._transcript = Transcript(Rooms(store), self._events)
        self._access = Access(config, self._token, lambda: self.port)
        self._api = Api(store, self._transcript, self._events, self._access, lambda: self.status, lambda: self.commands)

    @property
    def greeting(self) -> str:
        """The address that opens the page."""
        return f"{self._origin}/?token={quote(self._token, safe='')}"

    @property
    def _origin(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.config.host, self.config.host)  # noqa: S104
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return f"http://{host}:{self.port}"

    def reload(self, config: Config) -> Collection[str]:
        """The page may have a new token. Pages that are open under the old one have to come again."""
        try:
            token = page_token(config)
        except AdapterOff as error:
            log.error("the page keeps its token", reason=str(error))
            return ()
        if token != self._token:
            self._token = token
            self._access.change(token)
            self._events.close()
        return ("web_token",)

    def limits(self, channel: Channel) -> Limits:
        return Limits(
            characters=200_000, attachments=10, attachment_bytes=FILE_BYTES, pace=0.05, typing=3, once=True, buttons=8
        )

    def routes(self) -> Iterable[AbstractRouteDef]:
        return self._api.routes()

    async def run(self, host: Host) -> None:
        self._api.host = host
        try:
            await self._transcript.settle()
            await asyncio.Event().wait()
        finally:
            self._api.host = None
            self._events.close()

    async def post(self, channel: Channel, reply: Reply, *, answers: str, nonce: str) -> str:
        return await self._transcript.post(channel.id, reply, answers=answers, nonce=nonce)

    async def edit(self, channel: Channel, message_id: str, reply: Reply) -> None:
        await self._transcript.edit(message_id, reply)

    async def remove(self, channel: Channel, message_id: str) -> None:
        await self._transcript.take_away(message_id)

    def link(self, channel: Channel, message_id: str) -> str:
        return f"{self._origin}/#/{channel.id}/{message_id}"

    async def typing(self, channel: Channel) -> None:
        self._events.mention("typing", room=channel.id)

    async def read(self, channel: Channel, attachment: Attachment, limit: int) -> bytes:
        file = await self.store.file(attachment.source)
        if file is None:
            raise UserError(f"“{attachment.name}” is not there any more. Send it again.")
        if len(file.data) > limit:
            raise UserError(f"“{attachment.name}” is too large: I can read {limit / 1024**2:.0f} MB at most.")
        return file.data
