"""Files for a person's OneDrive: Teams asks them first, and only then gives an address to write to.

What waits for their word is kept in memory only: nothing that somebody did not want stays behind.
"""

import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog
from botbuilder.schema import Activity, ActivityTypes
from botbuilder.schema import Attachment as Attached
from yarl import URL

from bot.adapters.teams.addresses import Address
from bot.adapters.teams.connector import Unsent
from bot.adapters.teams.hosts import Hosts, parse
from bot.adapters.teams.sending import PATIENCE, Sending, written
from bot.adapters.teams.wire import Wire
from bot.messages import Attachment
from bot.translations import translate

__all__ = ["Consents"]

log = structlog.get_logger(__name__)

_KEPT_SECONDS = 24 * 3600
_MOST = 32  # offers at once
_LARGEST = 4 * 1024 * 1024  # one request takes no more
_ONEDRIVE = (".sharepoint.com", ".sharepoint.us", ".sharepoint-mil.us", ".sharepoint.cn", ".1drv.com")
_SLOW = aiohttp.ClientTimeout(total=60, sock_connect=5)
_TOO_LARGE = "I made “{name}”, but it is too large for Teams ({size})."
_UNSAVED = "“{name}” could not be saved in your OneDrive. Please ask me for it again."
_TOO_LATE = "This offer is too old, or was taken up already. Ask me once more, and I will make the file again."


@dataclass(frozen=True, slots=True)
class _Offer:
    conversation: str
    file: Attachment
    until: float


class Consents:
    """Offers files, and hands over those that are wanted."""

    def __init__(self, sending: Sending, wire: Wire, hosts: Hosts) -> None:
        self._sending = sending
        self._wire = wire
        self._hosts = hosts
        self._offers: OrderedDict[str, _Offer] = OrderedDict()

    async def ask(self, address: Address, attachment: Attachment, locale: str = "") -> str:
        """Offer a file; the id of the message. Raises `Unsent`."""
        size = len(attachment.data)
        if size > _LARGEST:
            megabytes = f"{size / 1_000_000:.1f} MB"
            sentence = translate(_TOO_LARGE, locale).format(name=attachment.name, size=megabytes)
            return await self._sending.send(address, written(sentence), patience=PATIENCE)
        offer = uuid.uuid4().hex
        self._offers[offer] = _Offer(address.conversation, attachment, time.monotonic() + _KEPT_SECONDS)
        while len(self._offers) > _MOST:
            self._offers.popitem(last=False)
        context = {"offer": offer}
        content = {
            "description": attachment.alt or attachment.name,
            "sizeInBytes": size,
            "acceptContext": context,
            "declineContext": context,
        }
        attached = Attached(
            content_type="application/vnd.microsoft.teams.card.file.consent", name=attachment.name, content=content
        )
        activity = Activity(type=ActivityTypes.message, attachments=[attached])
        return await self._sending.send(address, activity, patience=PATIENCE)

    def taken(self, conversation: str, value: dict[str, Any]) -> Attachment | None:
        """The file that a person's word is about, no longer offered after it; None when there is none (any more)."""
        context = value.get("context")
        name = context.get("offer") if isinstance(context, dict) else None
        offer = self._offers.get(name) if isinstance(name, str) else None
        if offer is None or offer.conversation != conversation:
            return None
        del self._offers[str(name)]
        return offer.file if offer.until > time.monotonic() else None

    async def hand_over(
        self, address: Address, file: Attachment | None, value: dict[str, Any], card: str, locale: str = ""
    ) -> None:
        """Write an accepted file where Teams says, and show where it is. It tells of its own failures."""
        info = value.get("uploadInfo")
        info = info if isinstance(info, dict) else {}
        try:
            if file is None:
                await self._sending.send(address, written(translate(_TOO_LATE, locale)), patience=PATIENCE)
                return
            if not await self._upload(str(info.get("uploadUrl") or ""), file.data):
                sentence = translate(_UNSAVED, locale).format(name=file.name)
                await self._sending.send(address, written(sentence), patience=PATIENCE)
                return
            await self._sending.send(address, _info(file.name, info), patience=PATIENCE)
            if card:
                await self._sending.take_away(address, card)
        except Unsent as error:
            log.warning("a file was not shown in teams", reason=str(error))

    async def _upload(self, address: str, content: bytes) -> bool:
        """Write to OneDrive, without any token: the address itself is the permission."""
        url = parse(address)
        if url is None or not _may_write(url, self._hosts):
            log.warning("teams named an address for a file that is not OneDrive's", host=url.host if url else "")
            return False
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Range": f"bytes 0-{len(content) - 1}/{len(content)}",
        }
        try:
            session = await (self._wire.trusted() if self._hosts.trusts(url) else self._wire.outside())
            async with session.put(
                url, data=content, headers=headers, allow_redirects=False, timeout=_SLOW
            ) as response:
                if response.status < 300:
                    return True
                log.warning("a file could not be saved", host=url.host, status=response.status)
        except (aiohttp.ClientError, OSError) as error:
            log.warning("a file could not be saved", host=url.host, error=type(error).__name__)
        return False


def _may_write(url: URL, hosts: Hosts) -> bool:
    host = (url.host or "").lower()
    return hosts.trusts(url) or (url.scheme == "https" and host.endswith(_ONEDRIVE))


def _info(name: str, info: dict[str, Any]) -> Activity:
    attached = Attached(
        content_type="application/vnd.microsoft.teams.card.file.info",
        content_url=str(info.get("contentUrl") or ""),
        name=str(info.get("name") or name),
        content={"uniqueId": str(info.get("uniqueId") or ""), "fileType": str(info.get("fileType") or "")},
    )
    return Activity(type=ActivityTypes.message, attachments=[attached])
