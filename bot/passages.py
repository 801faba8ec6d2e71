"""A long document as far as a question is about it: its beginning, and the passages that have the question's words."""

from dataclasses import replace

from bot.media import Document
from bot.ranking import by_words

__all__ = ["fitted"]

_PASSAGE = 1500  # characters, about
_BEGINNING = 0.2  # of the room is for the beginning in any case: it says what the document is
_GAP = "\n[…]\n"


def fitted(document: Document, question: str, room: int) -> Document:
    """The document itself where there is room for it, else what fits the question, in order; its `limit` says so."""
    if len(document.text) <= room:
        return document
    passages = _passages(document.text)
    chosen, left = set[int](), room
    for at in (*_up_to(passages, int(room * _BEGINNING)), *by_words(question, passages)):
        size = len(passages[at]) + len(_GAP)
        if at not in chosen and size <= left:
            chosen.add(at)
            left -= size
    rest = [passage if at not in chosen else "" for at, passage in enumerate(passages)]
    chosen.update(_up_to(rest, left))  # what room is left is for going on from the beginning
    of = max(document.characters, len(document.text))
    if chosen == set(range(len(chosen))):
        text, what = document.text[:room], f"the first {room:,} of {of:,} characters"
    else:
        text = "".join(passages[at] if not at or at - 1 in chosen else _GAP + passages[at] for at in sorted(chosen))
        what = f"what fits the question, {len(text):,} of {of:,} characters,"
    limit = f"I read {what} of {document.name}"
    if document.limit and not document.limit.endswith(f"characters of {document.name}"):
        limit = f"{document.limit}, and of these {what.rstrip(',')}"
    return replace(document, text=text, limit=limit)


def _up_to(passages: list[str], room: int) -> list[int]:
    """As many of the first passages as there is room for."""
    chosen = []
    for at, passage in enumerate(passages):
        room -= len(passage)
        if room < 0:
            break
        chosen.append(at)
    return chosen


def _passages(text: str) -> list[str]:
    """The text in pieces that end where a paragraph, a line or a sentence does."""
    passages, start = [], 0
    while start < len(text):
        end = start + _PASSAGE
        if end < len(text):
            for mark in ("\n\n", "\n", ". ", " "):
                found = text.rfind(mark, start + _PASSAGE // 2, end)
                if found > 0:
                    end = found + len(mark)
                    break
        passages.append(text[start:end])
        start = end
    return passages
