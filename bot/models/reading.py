"""The visible text of a streamed response, block by block, within its deadlines."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import orjson

from bot.models.connection import Reply
from bot.models.responses import ResponsesAnswer
from bot.models.stream import Answer, EventLines, MidStreamError
from bot.models.wire import BrokenOff, next_block, read_whole

__all__ = ["Growing", "read_texts"]

Growing = Answer | ResponsesAnswer

_MOST_JSON = 4 * 1024 * 1024
_FOR_USAGE = 2.0  # seconds that a finished answer is waited for its bill
_TO_DRAIN = 0.1  # seconds to read to the end, so that the connection can be used again


async def read_texts(
    response: Reply, answer: Growing, *, due: float, gap: float, until: float
) -> AsyncGenerator[str, None]:
    """Pieces of text as they come; `answer` knows the rest.

    The first content is due at the loop's time `due`, each further one `gap` seconds later, all of it at `until`.
    What carries nothing, such as a keep-alive, does not count. Raises `TimeoutError`, `BrokenOff`, `MidStreamError`,
    and `ValueError` for what is no answer of a chat.
    """
    kind = response.headers.get("content-type", "").lower()
    if "html" in kind:
        raise ValueError("a page")
    if "json" in kind:  # it does not stream
        yield await _unstreamed(response, answer, until)
        return
    loop = asyncio.get_running_loop()
    lines, blocks = EventLines(), response.aiter_bytes()
    while not answer.done:
        try:
            block = await next_block(blocks, min(due, until))
        except (TimeoutError, BrokenOff):
            if answer.finish:  # all is said; only the bill is missing
                return
            raise
        text, moved, problem = _take(answer, lines, block)
        if text:
            yield text
        if problem:
            raise problem
        if block is None:
            break
        if moved:
            due = loop.time() + (_FOR_USAGE if answer.finish else gap)
    if not answer.seen:
        raise ValueError("no event of a chat")
    with contextlib.suppress(TimeoutError, BrokenOff):  # it is whole; a new connection would only cost time
        until = loop.time() + _TO_DRAIN
        while await next_block(blocks, until) is not None:
            pass


def _take(answer: Growing, lines: EventLines, block: bytes | None) -> tuple[str, bool, Exception | None]:
    """All the text of one block, whether it carried anything, and what ended it; text before an error is kept."""
    text, moved = "", False
    try:
        for event in lines.end() if block is None else lines.feed(block):
            text += answer.take(event)
            moved = moved or answer.progress
            if answer.done:
                break
    except (ValueError, MidStreamError) as problem:
        return text, moved, problem
    return text, moved, None


async def _unstreamed(response: Reply, answer: Growing, until: float) -> str:
    chunk = orjson.loads(await read_whole(response, until, _MOST_JSON))
    if not isinstance(chunk, dict):
        raise ValueError("not an object")
    text = answer.take_chunk(chunk)
    if not answer.seen:
        raise ValueError("no choices")
    return text
