"""What a request is about, and what it is answered with: the same for every route of the page."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import structlog
from aiohttp import web

from bot.adapters.web.access import Refused
from bot.errors import UserError
from bot.messages import Channel, Person

__all__ = ["OWNER", "channel_of", "is_message_id", "is_new_id", "json_answer", "refusing", "room_id"]

log = structlog.get_logger(__name__)

OWNER = Person(id="owner", name="You", moderator=True, operator=True)
_NEW_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ANY_ID = re.compile(r"[0-9a-z~-]{1,128}")  # a pressed button's has its answer's id before it


def is_new_id(text: str) -> bool:
    """Whether this is an id as the page makes them."""
    return _NEW_ID.fullmatch(text) is not None


def is_message_id(text: str) -> bool:
    """Whether this may be the id of a message, whoever made it."""
    return _ANY_ID.fullmatch(text) is not None


def room_id(request: web.Request) -> str:
    """The room in the address. Raises `Refused` for what cannot be one."""
    room = request.match_info["room"]
    if not is_new_id(room):
        raise Refused(404, "There is no such conversation.")
    return room


def channel_of(room: str, title: str = "") -> Channel:
    """A room as the bot knows it. The room `""` stands for all of them, when settings are chosen."""
    return Channel("web", room, kind="direct", name=title)


def json_answer(content: dict[str, Any], status: int = 200) -> web.Response:
    """JSON for the page's script."""
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json")


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Whatever the bot raises becomes a sentence for the person; `what` was not done is for the log."""
    try:
        yield
    except UserError as error:
        raise Refused(503, str(error)) from None
    except Refused:
        raise
    except Exception:
        reference = secrets.token_hex(3)
        log.exception("not done for the page", what=what, reference=reference)
        raise Refused(503, f"Something went wrong on my side (reference {reference}). Try again.") from None
