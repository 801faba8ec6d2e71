"""Files that people attach: fetched from Discord's own hosts only, with a limit on bytes and on time."""

import json
from typing import Any

import aiohttp
import structlog

from bot.adapter import PostFailed
from bot.adapters.discord.connection import Connection
from bot.adapters.discord.endpoints import may_download
from bot.errors import UserError
from bot.messages import Attachment

__all__ = ["download"]

log = structlog.get_logger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=20, sock_connect=5, sock_read=5)
_EXPIRED = (403, 404, 410)


class _Expired(Exception):
    """The signed address is no longer good."""


async def download(connection: Connection, attachment: Attachment, limit: int) -> bytes:
    """The bytes of an attachment that was heard. Raises `UserError` above `limit` bytes or when it cannot be had."""
    source = _source(attachment)
    try:
        try:
            return await _fetch(source["url"], attachment.name, limit)
        except _Expired:
            return await _fetch(await _fresh_address(connection, source), attachment.name, limit)
    except (_Expired, aiohttp.ClientError, OSError, PostFailed) as error:
        log.info("an attachment could not be fetched", error=type(error).__name__)
        raise UserError(f"I could not get “{attachment.name}” from Discord. Please send it again.") from error


def _source(attachment: Attachment) -> dict[str, str]:
    try:
        source = json.loads(attachment.source)
        return {key: str(source[key]) for key in ("channel", "message", "attachment", "url")}
    except (ValueError, KeyError, TypeError):
        raise UserError(f"“{attachment.name}” did not come from Discord. Please send it again.") from None


async def _fetch(address: str, name: str, limit: int) -> bytes:
    if not may_download(address):
        raise UserError(f"“{name}” does not lie on Discord's own servers, so I do not fetch it.")
    headers = {"Accept-Encoding": "identity"}
    async with (
        aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.get(address, headers=headers, allow_redirects=False) as response,
    ):
        if response.status in _EXPIRED:
            raise _Expired
        if response.status != 200:
            raise aiohttp.ClientResponseError(
                response.request_info, response.history, status=response.status, message="not a file"
            )
        received = bytearray()
        if (response.content_length or 0) <= limit:
            async for chunk in response.content.iter_chunked(65536):
                received += chunk
                if len(received) > limit:
                    break
            else:
                return bytes(received)
    raise UserError(f"“{name}” is too large: I take files of up to {limit / 1024 / 1024:.3g} MB. Send a smaller one.")


async def _fresh_address(connection: Connection, source: dict[str, str]) -> str:
    """Ask for the message again: it comes with addresses that are signed anew. What came with a command has none."""
    if not source["message"]:
        raise _Expired
    message = await connection.fetch_message(source["channel"], source["message"])
    carriers: list[dict[str, Any]] = [message, *(one["message"] for one in message.get("message_snapshots", ()))]
    for carrier in carriers:
        for file in carrier.get("attachments", ()):
            if str(file.get("id")) == source["attachment"]:
                return str(file["url"])
    raise _Expired
