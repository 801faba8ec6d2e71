"""A page without a browser: it asks what the page's script asks, and keeps what it is told as the script does."""

import asyncio
import io
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.echo_host import PageServer

__all__ = ["PNG", "WAV", "Stream", "Visitor", "eventually", "stream", "visitor"]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(range(30))


async def eventually(true: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    """Wait until something has become true."""
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(0.01)


class Visitor:
    """Somebody with the token."""

    def __init__(self, server: PageServer, http: aiohttp.ClientSession) -> None:
        self.server = server
        self.http = http

    async def get(self, path: str, **options: Any) -> Any:
        async with self.http.get(path, **options) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def say(
        self,
        text: str = "",
        *,
        room: str,
        files: tuple[tuple[str, str, bytes], ...] = (),
        new: bool = True,
        message_id: str | None = None,
        **fields: str,
    ) -> tuple[int, dict[str, Any]]:
        """Send a message; the status and what the server says. `files` are (name, media type, bytes); `fields` are
        the form's others.
        """
        form = aiohttp.FormData(quote_fields=False, default_to_multipart=True)
        form.add_field("id", str(uuid.uuid4()) if message_id is None else message_id)
        form.add_field("text", text)
        for name, value in (({"new": "1"} if new else {}) | fields).items():
            form.add_field(name, value)
        for name, media_type, content in files:
            form.add_field("file", io.BytesIO(content), filename=name, content_type=media_type)
        async with self.http.post(f"/api/rooms/{room}/messages", data=form) as response:
            return response.status, await response.json()

    async def messages(self, room: str) -> list[dict[str, Any]]:
        """What the page would show of a room when it is opened now."""
        found: list[dict[str, Any]] = (await self.get(f"/api/rooms/{room}/messages"))["messages"]
        return found


@asynccontextmanager
async def visitor(server: PageServer) -> AsyncIterator[Visitor]:
    headers = {"Authorization": f"Bearer {server.token}"}
    async with aiohttp.ClientSession(server.origin, headers=headers) as http:
        yield Visitor(server, http)


class Stream:
    """An open stream of events. `blocks` are those of each answer, put together as the page's script does it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.place = ""
        self.hello: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.blocks: dict[str, list[str]] = {}

    async def next(self) -> dict[str, Any]:
        """The next event."""
        async with asyncio.timeout(10):
            event: dict[str, Any] = await self.socket.receive_json()
        if event["kind"] == "hello":
            self.hello = event
            if event["afresh"]:
                self.place = f"{event['life']}.{event['number']}"
            return event
        if "number" in event:
            self.place = f"{self.place.partition('.')[0]}.{event['number']}"
        self.events.append(event)
        if event["kind"] == "message" and "blocks" in event["message"]:
            self.blocks[event["message"]["id"]] = list(event["message"]["blocks"])
        elif event["kind"] == "edit":
            shown = self.blocks[event["id"]]
            assert len(shown) >= event["keep"], "a change does not fit what the page shows"
            shown[event["keep"] :] = event["blocks"]
        return event

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next event of this sort; the others are taken in on the way."""
        while True:
            event = await self.next()
            if wanted(event):
                return event


@asynccontextmanager
async def stream(someone: Visitor, after: str = "") -> AsyncIterator[Stream]:
    """Listen as an open page does."""
    async with someone.http.ws_connect(f"/api/events?after={after}") as socket:
        listening = Stream(socket)
        await listening.next()
        yield listening
