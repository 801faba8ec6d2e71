"""Real voice messages: one sound with its waveform and nothing else, which discord.py has no name for."""

import base64
import hashlib
import io
from typing import TYPE_CHECKING, Any

import discord
from discord.http import handle_message_parameters
from discord.utils import MISSING

from bot.adapters.discord.permissions import rights_in
from bot.messages import Attachment, Channel, Reply

if TYPE_CHECKING:
    from discord.types.message import MessageReference

    from bot.adapters.discord.client import Client

__all__ = ["ALONE", "may_speak", "post_voice", "spoken", "voice_nonce"]

ALONE = "🔊"  # what stands above a voice message that came without words
_POINTS_A_SECOND = 10  # of a waveform, at most
_MOST_POINTS = 256


class _Voice(discord.File):
    """A file that says how long it sounds and how loud."""

    def __init__(self, sound: Attachment) -> None:
        name = sound.name if sound.name.endswith((".ogg", ".mp3", ".m4a", ".wav")) else "voice-message.ogg"
        super().__init__(io.BytesIO(sound.data), filename=name)
        points = sound.waveform[:_MOST_POINTS]
        self._sound = {
            "duration_secs": round(sound.seconds or len(points) / _POINTS_A_SECOND, 2),
            "waveform": base64.b64encode(points).decode(),
        }

    def to_dict(self, index: int) -> dict[str, Any]:
        return {**super().to_dict(index), **self._sound}


def spoken(reply: Reply) -> tuple[Attachment | None, Reply]:
    """The sound of an answer that is meant as a voice message, and the answer without it."""
    sound = next((each for each in reply.attachments if each.waveform and each.kind == "audio"), None)
    if sound is None or reply.running:
        return None, reply
    others = tuple(each for each in reply.attachments if each is not sound)
    return sound, Reply(
        reply.text or ALONE, others, reply.footer, reply.buttons, reply.running, reply.status, reply.private
    )


def may_speak(client: "Client", channel: Channel) -> bool:
    """Whether a voice message can be posted there, as far as that is known."""
    guild = client.get_guild(int(channel.tenant)) if channel.tenant else None
    if guild is None:
        return channel.kind == "direct"
    rights = rights_in(guild.get_channel_or_thread(int(channel.id)), guild.me)
    return rights is None or rights.send_voice_messages


def voice_nonce(message_id: str, sound: Attachment) -> str:
    """The same for every attempt at this sound below this message."""
    return hashlib.sha256(message_id.encode() + sound.data).hexdigest()[:24]


async def post_voice(client: discord.Client, channel: Channel, sound: Attachment, answers: str, nonce: str) -> str:
    """Post once and return the message's id. Repeating it with the same nonce posts nothing new."""
    reference: MessageReference | None = None
    if answers and answers != channel.id:
        reference = {"message_id": answers, "channel_id": channel.id, "fail_if_not_exists": False}
    with handle_message_parameters(
        file=_Voice(sound),
        flags=discord.MessageFlags(voice=True),
        nonce=nonce,
        message_reference=reference or MISSING,
        allowed_mentions=discord.AllowedMentions.none(),
        mention_author=False,
    ) as parameters:
        for part in parameters.multipart or ():
            if part["name"].startswith("files"):
                part["content_type"] = sound.media_type  # discord.py calls every file a stream of bytes
        message = await client.http.send_message(int(channel.id), params=parameters)
    return str(message["id"])
