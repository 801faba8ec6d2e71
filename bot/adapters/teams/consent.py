"""Files for a person's OneDrive: Teams asks them first, and only then gives an address to write to.

What waits for their word is in storage for a day, and goes at once when they do not want it. What they want is sent
once: whoever finds the offer open has it to send, and what a restart interrupts is sent on.
"""

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import structlog
from botbuilder.schema import Activity, ActivityTypes
from botbuilder.schema import Attachment as Attached

from bot.adapter import PostFailed
from bot.adapters.teams.addresses import Address
from bot.adapters.teams.connector import Unsent
from bot.adapters.teams.hosts import Hosts
from bot.adapters.teams.sending import PATIENCE, Sending, written
from bot.adapters.teams.uploading import Uploading
from bot.adapters.teams.wire import Wire
from bot.messages import Attachment, Channel
from bot.translations import translate
from storage import StorageError, StorageTrouble, Upload

if TYPE_CHECKING:
    from storage import Store

__all__ = ["Consents"]

log = structlog.get_logger(__name__)

Json = dict[str, Any]

_KINDS = {"audio": "A sound file", "video": "A video", "image": "A picture", "text": "A text file"}
_FILE = "A file"
_TOO_LATE = "This offer is too old, or was withdrawn. Ask me once more, and I will make the file again."
_DECLINED = "“{}” was not saved."
_FAILED = "“{}” could not be saved in your OneDrive. Ask me for it once more."
_GONE = "“{}” could not be saved: the time that Teams gives for it was over. Ask me for it once more."
_LONGEST = 500
_AT_ONCE = 4  # files that are on their way, whole in memory


class Consents:
    """Offers files, and hands over those that are wanted."""

    def __init__(self, sending: Sending, wire: Wire, hosts: Hosts, store: "Store") -> None:
        self._sending = sending
        self._uploading = Uploading(wire, hosts)
        self._store = store
        self._underway: set[str] = set()
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def ask(self, channel: Channel, address: Address, attachment: Attachment, locale: str) -> str:
        """Offer a file; the id of the message. Raises `Unsent`."""
        upload = Upload(
            uuid.uuid4().hex, channel.key, attachment.name, attachment.media_type, attachment.data, locale=locale
        )
        try:
            await self._store.offer_upload(upload)
        except (StorageError, StorageTrouble) as error:  # nothing was shown yet: it can be tried again
            raise Unsent(f"a file could not be kept ({type(error).__name__})") from error
        try:
            message_id = await self._sending.send(address, _offer(upload, attachment.alt), patience=PATIENCE)
        except Unsent as error:
            if not error.doubtful:
                await self._store.drop_upload(channel.key, upload_id=upload.id)
            raise
        try:
            await self._store.show_upload(upload.id, message_id)
        except (StorageError, StorageTrouble):  # it can be taken all the same
            log.exception("where a file is offered could not be kept")
        return message_id

    async def withdraw(self, channel: Channel, message_id: str) -> None:
        """The message in which a file is offered goes, and the file with it."""
        if channel.kind == "direct" and message_id:
            await self._store.drop_upload(channel.key, message=message_id)

    async def decline(self, channel: Channel, address: Address, value: Json, card: str, locale: str) -> None:
        """A person does not want a file: nothing of it is kept."""
        upload = await self._store.drop_upload(channel.key, upload_id=_named(value) or "none")
        if upload is not None:
            await self._instead(address, card or upload.message, _sentence(_DECLINED, upload.name, locale))

    async def accept(self, channel: Channel, value: Json) -> Upload | None:
        """A person wants a file: it is theirs from here on. As it was before; only what was `offered` is to be sent."""
        info = value.get("uploadInfo")
        target = {
            name: str(info.get(name) or "")[:8000]
            for name in ("uploadUrl", "contentUrl", "name", "uniqueId", "fileType")
            if isinstance(info, dict)
        }
        return await self._store.take_upload(channel.key, _named(value) or "none", target)

    async def hand_over(self, address: Address, upload: Upload | None, value: Json, card: str, locale: str) -> None:
        """Send what was accepted just now. It tells of its own failures."""
        if upload is None:
            await self._instead(address, "", _sentence(_TOO_LATE, "", locale))
        elif upload.state == "offered":  # else this was said twice
            info = value.get("uploadInfo")
            await self._send(address, upload, info if isinstance(info, dict) else {}, card or upload.message, locale)

    async def resume(self) -> None:
        """Send on what an earlier process was sending."""
        await asyncio.gather(*(self._resume(each) for each in await self._store.uploads_underway("teams")))

    async def _resume(self, upload: Upload) -> None:
        platform, tenant, conversation = upload.key
        try:
            address = await self._sending.address(Channel(platform, conversation, tenant, "direct"))
        except PostFailed as error:
            log.info("a file is sent nowhere any more", reason=str(error))
            await self._store.finish_upload(upload.id)
            return
        log.info("a file is sent on after a restart", state=upload.state)
        await self._send(address, upload, upload.target, upload.message, upload.locale, resumed=True)

    async def _send(
        self, address: Address, upload: Upload, target: Json, card: str, locale: str, *, resumed: bool = False
    ) -> None:
        if upload.id in self._underway:
            return
        self._underway.add(upload.id)
        try:
            async with self._places:
                outcome = await self._uploading.send(
                    str(target.get("uploadUrl") or ""),
                    await self._store.upload_bytes(upload.id),
                    resumed=resumed,
                    closing=upload.state == "closing",
                    close=lambda: self._store.close_upload(upload.id),
                )
            # A changed card can be changed again: what breaks off here is done once more, and nobody sees that.
            if outcome == "arrived":
                shown = _info(upload.name, target)
            else:
                shown = _sentence(_GONE if outcome == "gone" else _FAILED, upload.name, locale)
            await self._instead(address, card, shown)
            await self._store.finish_upload(upload.id)
        except Exception:
            log.exception("a file was left on its way; it is sent on after the next start")
        finally:
            self._underway.discard(upload.id)

    async def _instead(self, address: Address, card: str, activity: Activity) -> None:
        """Put something in the place of an offer; where that cannot be, below it."""
        try:
            if card:
                try:
                    await self._sending.update(address, card, activity, patience=PATIENCE)
                    return
                except Unsent as error:
                    log.info("an offer cannot be changed in teams", reason=str(error))
                    activity.id = None
            await self._sending.send(address, activity, patience=PATIENCE)
            await self._sending.take_away(address, card)
        except Unsent as error:
            log.warning("a file was not shown in teams", reason=str(error))


def _named(value: Json) -> str:
    """The id of the offer that a person's word is about."""
    context = value.get("context")
    name = context.get("offer") if isinstance(context, dict) else None
    return name if isinstance(name, str) and len(name) <= 64 else ""


def _offer(upload: Upload, about: str) -> Activity:
    context = {"offer": upload.id}
    kind = translate(_KINDS.get(upload.media_type.partition("/")[0], _FILE), upload.locale)
    content = {
        "description": f"{kind}: {about}"[:_LONGEST] if about and about != upload.name else kind,
        "sizeInBytes": len(upload.data),
        "acceptContext": context,
        "declineContext": context,
    }
    attached = Attached(
        content_type="application/vnd.microsoft.teams.card.file.consent", name=upload.name, content=content
    )
    return Activity(type=ActivityTypes.message, attachments=[attached])


def _sentence(text: str, name: str, locale: str) -> Activity:
    return written(translate(text, locale).replace("{}", name))


def _info(name: str, info: Json) -> Activity:
    attached = Attached(
        content_type="application/vnd.microsoft.teams.card.file.info",
        content_url=str(info.get("contentUrl") or ""),
        name=str(info.get("name") or name),
        content={"uniqueId": str(info.get("uniqueId") or ""), "fileType": str(info.get("fileType") or "")},
    )
    return Activity(type=ActivityTypes.message, attachments=[attached])
