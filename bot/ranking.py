"""Which of many texts is about something: by the words in them, and by the vectors that a model made of them."""

import math
import re
import unicodedata
from array import array
from collections.abc import Mapping, Sequence
from operator import mul

__all__ = ["alike", "by_words", "folded", "fused"]

_WORTH = 0.15  # of the best score


def folded(text: str) -> str:
    """Without capitals, accents and other marks: what people leave out when they search."""
    if text.isascii():
        return text.lower()
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


def by_words(query: str, texts: Sequence[str]) -> list[int]:
    """Which texts have words of the query, the best first: rare words count more, and newer texts before older ones.

    Those that have far less of it than the best one are left out.
    """
    terms = list(dict.fromkeys(re.findall(r"\w+", folded(query))))
    hits: list[dict[str, float]] = []
    for text in texts:
        plain = folded(text)
        inside = [term for term in terms if term in plain]
        words = set(re.findall(r"\w+", plain)) if inside else set()
        found = {term: _weight(term, words) for term in inside}
        hits.append({term: weight for term, weight in found.items() if weight})
    often = {term: sum(term in hit for hit in hits) for term in terms}
    phrase = folded(query).strip()
    scored = []
    for at, hit in enumerate(hits):
        if not hit:
            continue
        score = sum(weight * math.log(1 + len(texts) / often[term]) for term, weight in hit.items())
        score *= len(hit) / len(terms)
        if len(terms) > 1 and phrase in folded(texts[at]):
            score *= 1.5
        scored.append((score / (1 + math.log1p(len(texts[at]) / 400)), at))
    best = max(scored, default=(0.0, 0))[0]
    return [at for score, at in sorted(scored, reverse=True) if score >= _WORTH * best]


def _weight(term: str, words: set[str]) -> float:
    if term in words:
        return 1.0
    if len(term) > 2 and any(word.startswith(term) for word in words):
        return 0.7
    # In the middle of a word it means something only where words are not written apart, or long.
    return 0.4 if len(term) > 3 or not term.isascii() else 0.0


def alike(wanted: Sequence[float], vectors: Mapping[int, Sequence[float]]) -> dict[int, float]:
    """How near each vector is to the wanted one, from -1 to 1."""
    to = array("f", wanted)
    size = math.sqrt(sum(map(mul, to, to)))
    near = {}
    for number, vector in vectors.items():
        length = math.sqrt(sum(map(mul, vector, vector)))
        if len(vector) == len(to) and size and length:
            near[number] = sum(map(mul, to, vector)) / size / length
    return near


def fused(ranks: Sequence[Sequence[int]]) -> list[int]:
    """Several rankings as one: what stands high in both comes first."""
    scores: dict[int, float] = {}
    for rank in ranks:
        for place, at in enumerate(rank):
            scores[at] = scores.get(at, 0.0) + 1 / (10 + place)
    return sorted(scores, key=lambda at: (-scores[at], -at))
