"""What is shown through the token of an interaction. It needs no permission, and goes where the bot itself is not.

The calls go through discord.py's webhooks: they know nothing of the bot's token, and Discord counts them apart.
"""

import asyncio
from typing import Any

import aiohttp
import discord
from discord.http import MultipartParameters, Route, handle_message_parameters, json_or_text
from discord.webhook.async_ import async_context

from bot.adapter import Gone
from bot.adapters.discord.showing import parameters_of, until_taken
from bot.adapters.discord.tokens import Opened
from bot.messages import Reply

__all__ = [
    "Closed",
    "delete_through",
    "edit_original",
    "edit_through",
    "find_lost",
    "follow_up",
    "respond",
    "show_screen",
]

# Unknown webhook, unknown interaction, invalid webhook token: whatever there was to show is shown elsewhere.
_ACKNOWLEDGED = 40060
_FIRST_ANSWER = 2.8  # seconds for the first answer
_PAUSES = (0.1, 0.3, 0.8, 1.2)
_LOOK_BACK = 50  # messages
_NOBODY = discord.AllowedMentions.none()
_CLOSED = frozenset({10015, 10062, 50027})


_UNKNOWN_MESSAGE = 10008  # the first answer was never taken, so there is no place held open


class Closed(Gone):
    """The token is good no more."""


async def respond(
    client: discord.Client, interaction_id: str, token: str, kind: int, data: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Answer an interaction for the first time; Discord waits three seconds for it, so it is tried for no longer.

    Raises what discord.py raises. (Its own call would go on trying for half a minute.)
    """
    clock = asyncio.get_running_loop().time
    address = f"{Route.BASE}/interactions/{interaction_id}/{token}/callback?with_response=true"
    body = {"type": kind} if data is None else {"type": kind, "data": data}
    headers = {"User-Agent": client.http.user_agent}
    began, pauses = clock(), iter(_PAUSES)
    tried = 0
    while True:
        pause = next(pauses, None)
        tried += 1
        try:
            async with _session(client).post(
                address, json=body, headers=headers, timeout=aiohttp.ClientTimeout(total=_FIRST_ANSWER)
            ) as response:
                answer: Any = await json_or_text(response)
                if response.status < 300:
                    return dict(answer) if isinstance(answer, dict) else {}
                error = _refusal(response, answer)
            if error.code == _ACKNOWLEDGED and tried > 1:
                return {}  # an earlier try had come through
            if response.status < 500 or pause is None or clock() - began + pause > _FIRST_ANSWER:
                raise error
        except (aiohttp.ClientError, OSError, TimeoutError):
            if pause is None or clock() - began + pause > _FIRST_ANSWER:
                raise
        await asyncio.sleep(pause)


def _refusal(response: aiohttp.ClientResponse, answer: Any) -> discord.HTTPException:
    kinds = {403: discord.Forbidden, 404: discord.NotFound}
    return kinds.get(response.status, discord.HTTPException)(response, answer)


async def edit_original(client: discord.Client, opened: Opened, reply: Reply) -> str:
    """Show `reply` as the first answer to an interaction, and return the message's id. May be repeated."""
    return await _edit(client, opened, "@original", reply)


async def edit_through(client: discord.Client, opened: Opened, message_id: str, reply: Reply) -> None:
    """Make a message show `reply`. May be repeated."""
    await _edit(client, opened, "@original" if message_id == opened.original else message_id, reply)


async def follow_up(client: discord.Client, opened: Opened, reply: Reply) -> str:
    """Show one more message, and return its id. Repeating it shows it twice: it has no nonce."""

    async def send(refused: str) -> str:
        with parameters_of(reply, refused, opened.locale, ephemeral=opened.private) as parameters:
            message: Any = await async_context.get().execute_webhook(
                int(opened.application), opened.token, session=_session(client), wait=True, **_body(parameters)
            )
        return str(message["id"])

    try:
        return await until_taken(send, reply, "")
    except discord.HTTPException as error:
        raise _told(error) from error


async def find_lost(client: discord.Client, channel_id: str, opened: Opened) -> str:
    """The id of a message that follows the first answer to a command, but was never told of; empty where none is found.

    Only what everybody sees, in a channel that the bot may read, can be found.
    """
    try:
        found = await client.http.logs_from(int(channel_id), _LOOK_BACK, after=int(opened.answers))
    except discord.HTTPException:
        return ""
    known = {opened.original, *opened.shown.values()}
    for raw in sorted(found, key=lambda each: int(each["id"])):
        asked: Any = raw.get("interaction_metadata") or {}
        ours = asked.get("id") == opened.answers and str(raw.get("webhook_id")) == opened.application
        if ours and raw["id"] not in known:
            return str(raw["id"])
    return ""


async def delete_through(client: discord.Client, opened: Opened, message_id: str) -> None:
    """Take a message away; one that is gone already is no matter."""
    which: Any = "@original" if message_id == opened.original else message_id
    try:
        await async_context.get().delete_webhook_message(
            int(opened.application), opened.token, which, session=_session(client)
        )
    except discord.HTTPException as error:
        if error.code in _CLOSED:
            raise _told(error) from error
        if error.status != 404:
            raise


async def show_screen(
    client: discord.Client,
    interaction: discord.Interaction,
    content: str,
    components: list[dict[str, Any]],
    files: list[discord.File],
) -> None:
    """Show a text with these components in the place that an interaction holds open. May be repeated."""
    with handle_message_parameters(content, attachments=files, allowed_mentions=_NOBODY) as parameters:
        body = _body(parameters)
        if body["payload"] is not None:
            body["payload"]["components"] = components
        try:
            await async_context.get().edit_webhook_message(
                interaction.application_id,
                interaction.token,
                "@original",  # type: ignore[arg-type] # Discord's own name for it
                session=_session(client),
                **body,
            )
        except discord.HTTPException as error:
            raise _told(error) from error


async def _edit(client: discord.Client, opened: Opened, which: Any, reply: Reply) -> str:
    closed = _CLOSED | {_UNKNOWN_MESSAGE} if which == "@original" and opened.first else _CLOSED

    async def send(refused: str) -> str:
        with parameters_of(reply, refused, opened.locale, editing=True) as parameters:
            message: Any = await async_context.get().edit_webhook_message(
                int(opened.application), opened.token, which, session=_session(client), **_body(parameters)
            )
        return str(message["id"])

    try:
        return await until_taken(send, reply, "")
    except discord.HTTPException as error:
        raise _told(error, closed) from error


def _body(parameters: MultipartParameters) -> dict[str, Any]:
    return {"payload": parameters.payload, "multipart": parameters.multipart, "files": parameters.files}


def _told(error: discord.HTTPException, closed: frozenset[int] = _CLOSED) -> Exception:
    if error.code in closed or error.status == 401:
        return Closed(f"Discord answers {error.status} (code {error.code}): the interaction is over")
    return error


def _session(client: discord.Client) -> aiohttp.ClientSession:
    return client.http._HTTPClient__session  # type: ignore[attr-defined,no-any-return] # noqa: SLF001
