"""Looking back in a channel: what was said, by whom and when, and where something was said about a matter.

Never in another channel. What the platform lets the bot read counts as well as what was said to it.
"""

import asyncio
import math
import re
import unicodedata
from array import array
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import mul

import structlog

from bot.adapter import Adapter
from bot.earlier import Earlier, Found
from bot.errors import UserError
from bot.messages import Message, Said
from bot.models import ModelError, TurnModels
from storage import Line, Numbered, Store

__all__ = ["earlier", "search"]

log = structlog.get_logger(__name__)

_STORED = 5000  # lines that are searched, the newest
_READ = 300  # messages that are read from the platform for a search
_COMPARED = 2000  # lines whose meaning is compared, the newest
_AT_ONCE = 100  # texts in one call for vectors
_NEW = 600  # vectors made for one search; the next one makes the others
_MEANT = 4000  # characters of a line that its vector is made of
_SNIPPET = 160
_LEAST_ALIKE = 0.25


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
    others = [said for said in read if said.message_id not in known | repeated]
    everything = [*(_said(each.line) for each in stored), *others]
    if not everything:
        return ()
    ranks = [await asyncio.to_thread(_by_words, query, [said.text for said in everything])]
    if models.serves("embed") and stored:
        try:
            ranks.append(await _by_meaning(store, models, query, stored))
        except ModelError as error:
            log.warning("searched by words only", error=type(error).__name__)
    best = _fused(ranks)[:limit]
    return tuple(
        Found(
            everything[at],
            _snippet(everything[at].text, query),
            adapter.link(message.channel, everything[at].message_id.removeprefix("re:").partition("~")[0]),
        )
        for at in best
    )


def _said(line: Line) -> Said:
    return Said(line.role, line.text, line.author, line.author_id, line.message_id, line.at)


# By words.


def _folded(text: str) -> str:
    """Without capitals, accents and other marks: what people leave out when they search."""
    if text.isascii():
        return text.lower()
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


def _by_words(query: str, texts: Sequence[str]) -> list[int]:
    """Which texts have words of the query, the best first: rare words count more, and newer texts before older ones."""
    terms = list(dict.fromkeys(re.findall(r"\w+", _folded(query))))
    hits: list[dict[str, float]] = []
    for text in texts:
        folded = _folded(text)
        inside = [term for term in terms if term in folded]
        words = set(re.findall(r"\w+", folded)) if inside else set()
        found = {term: _weight(term, words) for term in inside}
        hits.append({term: weight for term, weight in found.items() if weight})
    often = {term: sum(term in hit for hit in hits) for term in terms}
    phrase = _folded(query).strip()
    scored = []
    for at, hit in enumerate(hits):
        if not hit:
            continue
        score = sum(weight * math.log(1 + len(texts) / often[term]) for term, weight in hit.items())
        score *= len(hit) / len(terms)
        if len(terms) > 1 and phrase in _folded(texts[at]):
            score *= 1.5
        scored.append((score / (1 + math.log1p(len(texts[at]) / 400)), at))
    return [at for _, at in sorted(scored, reverse=True)]


def _weight(term: str, words: set[str]) -> float:
    if term in words:
        return 1.0
    if len(term) > 2 and any(word.startswith(term) for word in words):
        return 0.7
    # In the middle of a word it means something only where words are not written apart, or long.
    return 0.4 if len(term) > 3 or not term.isascii() else 0.0


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
    alike = await asyncio.to_thread(_alike, wanted, vectors)
    best = max(alike.values(), default=0.0)
    least = max(_LEAST_ALIKE, best * 0.75)
    places = {number: at for at, number in enumerate(numbers, start)}
    return [
        places[number]
        for number, score in sorted(alike.items(), key=lambda each: (-each[1], -each[0]))
        if score >= least and number in places
    ]


def _alike(wanted: Sequence[float], vectors: Mapping[int, Sequence[float]]) -> dict[int, float]:
    """How near each vector is to the wanted one, from -1 to 1."""
    to = array("f", wanted)
    size = math.sqrt(sum(map(mul, to, to)))
    alike = {}
    for number, vector in vectors.items():
        length = math.sqrt(sum(map(mul, vector, vector)))
        if len(vector) == len(to) and size and length:
            alike[number] = sum(map(mul, to, vector)) / size / length
    return alike


def _fused(ranks: Sequence[Sequence[int]]) -> list[int]:
    """Several rankings as one: what stands high in both comes first."""
    scores: dict[int, float] = {}
    for rank in ranks:
        for place, at in enumerate(rank):
            scores[at] = scores.get(at, 0.0) + 1 / (10 + place)
    return sorted(scores, key=lambda at: (-scores[at], -at))


def _snippet(text: str, query: str) -> str:
    """The part of a text where most of the query's words stand."""
    flat = " ".join(text.split())
    if len(flat) <= _SNIPPET:
        return flat
    folded = _folded(flat)
    places = [folded.find(term) for term in re.findall(r"\w+", _folded(query))]
    # Folding can change lengths; then the place is only about right, which is good enough to look at.
    place = min((at for at in places if at >= 0), default=0)
    start = max(0, min(place - _SNIPPET // 3, len(flat) - _SNIPPET))
    cut = flat[start : start + _SNIPPET].strip()
    return f"{'…' if start else ''}{cut}{'…' if start + _SNIPPET < len(flat) else ''}"
