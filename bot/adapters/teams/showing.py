"""How an answer is shown: its text as one message that is edited, each file as a message of its own, once.

Teams splits a message with both text and a file, and gives no id for it: it could never be edited again.
"""

import base64
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog
from botbuilder.core import TurnContext
from botbuilder.schema import (
    Activity,
    ActivityTypes,
    ChannelAccount,
    ConversationAccount,
    ConversationReference,
)
from botbuilder.schema import Attachment as Attached

from bot.adapter import Gone, PostFailed
from bot.adapters.teams.addresses import Address, Addresses
from bot.adapters.teams.cloud import Cloud, FreeEntity
from bot.adapters.teams.connector import Refused, Unsent
from bot.adapters.teams.hosts import Hosts
from bot.adapters.teams.markdown import shown
from bot.media import MediaError, fit_picture
from bot.messages import Attachment, Channel, Reply

if TYPE_CHECKING:
    from storage import Store

__all__ = ["Showing"]

log = structlog.get_logger(__name__)

# Seconds for which sending is tried. What is still being written is soon followed by more; an end has nothing after it.
_PATIENCE_RUNNING, _PATIENCE = 10.0, 60.0
_SIDE, _LARGEST_PICTURE = 1024, 1_000_000  # the largest picture that Teams shows within a message
_LARGEST_FILE = 48 * 1024  # what is left of a message once it is written in base64
_REMEMBERED = 1000
_GONE = (403, 404, 410)
_UNWANTED = (400, 413, 415)


class Showing:
    """Posts, edits and typing signs in the conversations that were heard from."""

    def __init__(self, cloud: Cloud, addresses: Addresses, hosts: Hosts, store: "Store") -> None:
        self._cloud = cloud
        self._addresses = addresses
        self._hosts = hosts
        self._store = store
        self._posted: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._buttons: dict[tuple[str, str, str], tuple[str, dict[str, str]]] = {}

    async def post(self, channel: Channel, reply: Reply, *, answers: str, nonce: str) -> str:
        """Show an answer; the id of the message with its text. Raises `PostFailed` or `Gone`."""
        address = await self._address(channel)
        attempt = (channel.id, nonce)
        message_id = self._posted.get(attempt)
        if message_id is None:
            message_id = await self._text(channel, address, reply, answers=answers)
            self._posted[attempt] = message_id  # files may fail below, and this is asked for again
            while len(self._posted) > _REMEMBERED:
                self._posted.popitem(last=False)
        self._offer(channel, message_id, reply)
        await self._files(channel, address, message_id, reply)
        return message_id

    async def edit(self, channel: Channel, message_id: str, reply: Reply) -> None:
        """Change what an answer shows. Raises `PostFailed` or `Gone`."""
        address = await self._address(channel)
        self._offer(channel, message_id, reply)
        await self._text(channel, address, reply, message_id=message_id)
        await self._files(channel, address, message_id, reply)

    async def remove(self, channel: Channel, message_id: str) -> None:
        """Delete an answer with its files; one that is not there any more is deleted. Raises `PostFailed` or `Gone`."""
        address = await self._address(channel)
        name = _files_name(channel, message_id)
        for file in ((await self._store.noted("teams", name) or {}).get("shown", {})).values():
            await self._take_away(address, file)
        self._posted = OrderedDict((key, value) for key, value in self._posted.items() if value != message_id)
        self._offer(channel, message_id, Reply())
        try:
            await self._delete(address, message_id)
        except Unsent as error:
            if not isinstance(error, Refused) or error.status not in (404, 410):
                raise await self._failure(error, channel, new=False) from None

    def pressed(self, channel: Channel, words: str) -> tuple[str, str] | None:
        """The (message id, action) of the button that these words name, if the newest answer here has one.

        Teams shows no buttons on a message that can be edited: who wants to press one writes its label.
        """
        message_id, actions = self._buttons.get(channel.key, ("", {}))
        action = actions.get(words.strip(" .!").casefold())
        return (message_id, action) if action else None

    def _offer(self, channel: Channel, message_id: str, reply: Reply) -> None:
        if reply.buttons:
            self._buttons[channel.key] = (message_id, {each.label.casefold(): each.action for each in reply.buttons})
        elif self._buttons.get(channel.key, ("",))[0] == message_id:
            del self._buttons[channel.key]

    async def typing(self, channel: Channel) -> None:
        """Show that the bot is at work, if that needs no waiting."""
        try:
            address = await self._address(channel)
            await self._send(address, Activity(type=ActivityTypes.typing), patience=0)
        except Exception as error:  # noqa: BLE001 - a sign that is missing must never cost the answer
            log.debug("typing sign not shown", error=type(error).__name__)

    async def greet(self, channel: Channel, text: str) -> None:
        """Say this once where the bot was added."""
        try:
            address = await self._address(channel)
            await self._send(address, _message(text), patience=_PATIENCE)
        except (PostFailed, Unsent) as error:
            log.warning("welcome not shown", reason=str(error))

    async def _address(self, channel: Channel) -> Address:
        address = await self._addresses.find(channel)
        if address is None:
            raise Gone("nothing was ever heard from this conversation")
        if address.gone:
            raise Gone("the bot is no longer in this conversation")
        if not self._hosts.trusts(address.service_url):
            log.error("a stored conversation's host is not allowed", remedy="see PARLEY_TEAMS_SERVICE_HOSTS")
            raise Gone("the conversation's host is not allowed")
        return address

    async def _text(
        self, channel: Channel, address: Address, reply: Reply, *, message_id: str = "", answers: str = ""
    ) -> str:
        """Post the text of a reply, or put it into the message `message_id`."""
        text = _text_of(reply)
        patience = _PATIENCE_RUNNING if reply.running else _PATIENCE
        for last in (False, True):
            activity = _message(shown(text, reply.footer))
            if not reply.running:
                activity.entities = [_ai_label()]
            try:
                if not message_id:
                    return await self._send(address, activity, answers=answers, patience=patience)
                await self._update(address, message_id, activity, patience=patience)
                return message_id
            except Refused as error:
                if error.status != 413 or last:
                    raise await self._failure(error, channel, new=not message_id) from None
                text = _shortened(text)
            except Unsent as error:
                raise PostFailed(str(error)) from None
        raise AssertionError("unreachable")

    async def _files(self, channel: Channel, address: Address, message_id: str, reply: Reply) -> None:
        """Show those files of a reply that were not shown before, and take away those that are no longer in it."""
        if reply.running and not reply.attachments:
            return  # they come at the end
        name = _files_name(channel, message_id)
        done: dict[str, str] = dict((await self._store.noted("teams", name) or {}).get("shown", {}))
        wanted = _marked(reply.attachments)
        if not reply.running:
            for mark in done.keys() - wanted.keys():
                await self._take_away(address, done.pop(mark))
                await self._store.note("teams", name, {"shown": done})
        for mark in [mark for mark in wanted if mark not in done]:
            # Noted first: whatever happens from here on, the file is not shown twice.
            await self._store.note("teams", name, {"shown": done | {mark: ""}})
            try:
                done[mark] = await self._file(address, wanted[mark])
            except Unsent as error:
                if not error.doubtful:
                    await self._store.note("teams", name, {"shown": done})
                raise await self._failure(error, channel, new=True) from None
            await self._store.note("teams", name, {"shown": done})

    async def _file(self, address: Address, attachment: Attachment) -> str:
        """Show a file, or say why that cannot be; the id of the message."""
        try:
            media_type, content = attachment.media_type, attachment.data
            if attachment.kind == "image":
                picture = await fit_picture(content, side=_SIDE, max_bytes=_LARGEST_PICTURE)
                media_type, content = picture.media_type, picture.data
            elif len(content) > _LARGEST_FILE:
                raise _Unfit
            return await self._send(address, _with_file(attachment, media_type, content), patience=_PATIENCE)
        except (MediaError, _Unfit, Refused) as error:
            if isinstance(error, Refused) and error.status not in _UNWANTED:
                raise
            log.info("file not shown in teams", media_type=attachment.media_type, size=len(attachment.data))
            size = f"{max(len(attachment.data), 1) / 1000:,.0f} kB"
            sentence = f"I made “{attachment.name}” ({size}, {attachment.media_type}), but Teams cannot show it here."
            return await self._send(address, _message(shown(sentence)), patience=_PATIENCE)

    async def _take_away(self, address: Address, message_id: str) -> None:
        """Delete a message if it can be deleted: an old picture does less harm than an answer that is held up."""
        try:
            if message_id:
                await self._delete(address, message_id)
        except Unsent as error:
            log.warning("an old file stays in teams", reason=str(error))

    async def _failure(self, error: Unsent, channel: Channel, *, new: bool) -> PostFailed:
        """What the core is told; a `new` message that Teams takes nowhere means that the bot is no longer there."""
        if not isinstance(error, Refused) or error.status not in _GONE:
            return PostFailed(str(error))
        if new:
            await self._addresses.close(channel)
        return Gone(str(error))

    async def _send(self, address: Address, activity: Activity, *, patience: float, answers: str = "") -> str:
        ids: list[str] = []

        async def work(context: TurnContext) -> None:
            sent = await context.send_activity(activity)
            ids.append(sent.id)

        await self._cloud.speak(_reference(address), work, answers=answers or None, patience=patience)
        return ids[0]

    async def _update(self, address: Address, message_id: str, activity: Activity, *, patience: float) -> None:
        activity.id = message_id

        async def work(context: TurnContext) -> None:
            await context.update_activity(activity)

        await self._cloud.speak(_reference(address), work, answers=None, patience=patience)

    async def _delete(self, address: Address, message_id: str) -> None:
        async def work(context: TurnContext) -> None:
            await context.delete_activity(message_id)

        await self._cloud.speak(_reference(address), work, answers=None, patience=_PATIENCE)


class _Unfit(Exception):
    """A file that no message of Teams can hold."""


def _reference(address: Address) -> ConversationReference:
    return ConversationReference(
        channel_id=address.channel_id,
        service_url=address.service_url,
        conversation=ConversationAccount(id=address.conversation, conversation_type=address.kind or None),
        bot=ChannelAccount(id=address.bot_id, name=address.bot_name),
    )


def _files_name(channel: Channel, message_id: str) -> str:
    """Under which name it is kept which files were shown with a message: {mark: message id}."""
    return f"files {channel.tenant} {channel.id} {message_id}"


def _marked(attachments: Sequence[Attachment]) -> dict[str, Attachment]:
    """Each file under a mark by which it is known again; the same file twice has two."""
    marked: dict[str, Attachment] = {}
    for attachment in attachments:
        digest = hashlib.sha256(attachment.data).hexdigest()[:32]
        number = sum(mark.startswith(digest) for mark in marked)
        marked[f"{digest} {number}"] = attachment
    return marked


def _text_of(reply: Reply) -> str:
    """Never empty: a message without text could not be edited, and Teams refuses it."""
    if reply.text.strip():
        return reply.text
    if reply.attachments:
        return "\n".join(each.alt or each.name for each in reply.attachments)
    return "" if reply.footer.strip() else "…"


def _message(text: str) -> Activity:
    return Activity(type=ActivityTypes.message, text=text, text_format="markdown")


def _with_file(attachment: Attachment, media_type: str, content: bytes) -> Activity:
    address = f"data:{media_type};base64,{base64.b64encode(content).decode()}"
    name = attachment.alt or attachment.name if media_type.startswith("image/") else attachment.name
    attached = Attached(content_type=media_type, content_url=address, name=name)
    return Activity(type=ActivityTypes.message, attachments=[attached])


def _ai_label() -> FreeEntity:
    """Teams' own label for what a model wrote."""
    return FreeEntity(
        type="https://schema.org/Message",
        additional_properties={
            "@type": "Message",
            "@context": "https://schema.org",
            "@id": "",
            "additionalType": ["AIGeneratedContent"],
        },
    )


def _shortened(text: str) -> str:
    """About the first half, cut where it hurts least, for when Teams refuses the whole."""
    half = text[: len(text) // 2]
    end = max(half.rfind("\n\n"), half.rfind("\n", len(half) // 2), half.rfind(" ", len(half) * 3 // 4))
    return f"{half[:end] if end > 0 else half}\n\n… (cut here: the whole is too long for Teams)"
