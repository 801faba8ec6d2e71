"""Looking back in a channel: what was said, by whom and when, and where something was said about a matter.

Never in another channel. What the platform lets the bot read counts as well as what was said to it.
"""

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from bot.adapter import Adapter
from bot.earlier import Earlier, Found
from bot.errors import UserError
from bot.messages import Message, Said
from bot.models import ModelError, TurnModels
from bot.ranking import alike, by_words, folded, fused
from storage import Line, Numbered, Store

__all__ = ["earlier", "search"]

log = structlog.get_logger(__name__)

_STORED = 5000  # lines that are searched, the newest
_KEPT = 100  # things kept with answers that are searched, the newest
_READ = 300  # messages that are read from the platform for a search
_COMPARED = 2000  # lines whose meaning is compared, the newest
_AT_ONCE = 100  # texts in one call for vectors
_NEW = 600  # vectors made for one search; the next one makes the others
_MEANT = 4000  # characters of a line that its vector is made of
_SNIPPET = 160
_LEAST_ALIKE = 0.25
_LATER = timedelta(seconds=60)  # for which an answer may have been shown before it was stored


async def earlier(store: Store, adapter: Adapter, message: Message, limit: int, since: datetime | None) -> Earlier:
    """The newest `limit` messages before this one. Raises `UserError` with the remedy where somebody has to let the bot
    read them.
    """
    read = await adapter.earlier(message.channel, limit, since, message.author)
    said = (
        read if read is not None else [_said(each.line) for each in await store.all_lines(message.channel.key, limit)]
    )
    before = []
    for each in said:
        if each.message_id == message.id:
            break
        if since is None or (each.at is not None and each.at > since):
            before.append(each)
    return Earlier(tuple(before), read is not None)


async def search(
    store: Store, adapter: Adapter, models: TurnModels, message: Message, query: str, limit: int, asking: str
) -> tuple[Found, ...]:
    """What was said about `query` in this channel, the best first. Questions that begin with the word `asking`, and the
    answers to them, are left out: they only repeat it.
    """
    stored = await store.all_lines(message.channel.key, _STORED)
    asked = tuple(f"{mark}{asking} " for mark in ("", "/", "!"))
    repeated = {each.line.message_id for each in stored if each.line.text.lower().startswith(asked)} | {message.id}
    stored = [each for each in stored if each.line.message_id.removeprefix("re:") not in repeated]
    known = {each.line.message_id for each in stored}
    try:
        read = await adapter.earlier(message.channel, _READ, None, message.author) or ()
    except UserError:
        read = ()  # what was said to the bot can be searched all the same
    # The platform calls the bot's answers something else: those since the first that is stored are stored too.
    first = next((each.line.at for each in stored if each.line.role == "assistant"), None)
    others = [
        said
        for said in read
        if said.message_id not in known | repeated
        and not (said.role == "assistant" and first is not None and said.at is not None and said.at >= first - _LATER)
    ]
    # What was kept with an answer, such as a transcript that was too long to be said, is found by its words.
    kept = [
        Said("assistant", each.text, message_id=f"re:{each.event}", at=each.at)
        for each in await store.kept(message.channel.key, _KEPT)
        if each.event not in repeated
    ]
    everything = [*(_said(each.line) for each in stored), *others, *kept]
    if not everything:
        return ()
    ranks = [await asyncio.to_thread(by_words, query, [said.text for said in everything])]
    if models.serves("embed") and stored:
        try:
            ranks.append(await _by_meaning(store, models, query, stored))
        except ModelError as error:
            log.warning("searched by words only", error=type(error).__name__)
    best: dict[str, int] = {}  # of a message and its answer, the one that fits better
    for at in fused(ranks):
        best.setdefault(everything[at].message_id.removeprefix("re:") or f" {at}", at)
    return tuple(
        Found(
            everything[at],
            _snippet(everything[at].text, query),
            adapter.link(message.channel, everything[at].message_id.removeprefix("re:").partition("~")[0]),
        )
        for at in list(best.values())[:limit]
    )


def _said(line: Line) -> Said:
    return Said(line.role, line.text, line.author, line.author_id, line.message_id, line.at)


# By meaning.


async def _by_meaning(store: Store, models: TurnModels, query: str, stored: Sequence[Numbered]) -> list[int]:
    """Which lines mean something like the query, the best first. Vectors are made once for each line and kept."""
    (wanted,) = await models.embed([query])
    model = f"{models.used[-1].provider}:{models.used[-1].model}"
    start = max(0, len(stored) - _COMPARED)
    numbers = [each.number for each in stored[start:]]
    vectors: dict[int, Sequence[float]] = dict(await store.vectors(numbers, model))
    missing = [each for each in stored[start:] if each.number not in vectors and each.line.text.strip()][-_NEW:]
    for at in range(0, len(missing), _AT_ONCE):
        some = missing[at : at + _AT_ONCE]
        made = dict(
            zip(
                (each.number for each in some),
                await models.embed([each.line.text[:_MEANT] for each in some]),
                strict=True,
            )
        )
        await store.keep_vectors(made, model)
        vectors.update(made)
    near = await asyncio.to_thread(alike, wanted, vectors)
    best = max(near.values(), default=0.0)
    least = max(_LEAST_ALIKE, best * 0.75)
    places = {number: at for at, number in enumerate(numbers, start)}
    return [
        places[number]
        for number, score in sorted(near.items(), key=lambda each: (-each[1], -each[0]))
        if score >= least and number in places
    ]


def _snippet(text: str, query: str) -> str:
    """The part of a text where most of the query's words stand."""
    flat = " ".join(text.split())
    if len(flat) <= _SNIPPET:
        return flat
    plain = folded(flat)
    places = [plain.find(term) for term in re.findall(r"\w+", folded(query))]
    # Folding can change lengths; then the place is only about right, which is good enough to look at.
    place = min((at for at in places if at >= 0), default=0)
    start = max(0, min(place - _SNIPPET // 3, len(flat) - _SNIPPET))
    cut = flat[start : start + _SNIPPET].strip()
    return f"{'…' if start else ''}{cut}{'…' if start + _SNIPPET < len(flat) else ''}"
