"""What Teams shows around a finished answer: its label for generated text, sources, and how it may be passed on."""

import re
from typing import Any

from bot.adapters.teams.cards import weight
from bot.adapters.teams.cloud import FreeEntity

__all__ = ["citations", "label", "stream"]

_MOST, _LONGEST_NAME, _LONGEST_ABSTRACT = 20, 80, 160  # beyond these Teams refuses the message
_ROOM = 8_000  # bytes for all of them: a message has only so many
_SOURCE = re.compile(
    r"^[ \t]*(?:[-*+][ \t]+)?\[?(?P<number>\d{1,2})[\].:)]{1,2}[ \t]+"
    r"(?P<title>[^\n]{0,300}?)[ \t]*[(<]?(?P<address>https?://[^\s()<>]{1,2000})[)>]?[ \t]*$",
    re.MULTILINE,
)


def label(text: str = "", sensitivity: str = "") -> FreeEntity:
    """Teams' label for what a model wrote, with the sources in `text`, and the sensitivity “NAME: meaning”."""
    fields: dict[str, Any] = {
        "@type": "Message",
        "@context": "https://schema.org",
        "@id": "",
        "additionalType": ["AIGeneratedContent"],
    }
    if sources := citations(text):
        fields["citation"] = sources
    if sensitivity.strip():
        name, _, meaning = sensitivity.partition(":")
        fields["usageInfo"] = {
            "@type": "CreativeWork",
            "name": name.strip()[:_LONGEST_NAME],
            "description": (meaning.strip() or name.strip())[:_LONGEST_ABSTRACT],
        }
    return FreeEntity(type="https://schema.org/Message", additional_properties=fields)


def citations(text: str) -> list[dict[str, Any]]:
    """The numbered sources of an answer, a line each, such as `[1] Title (https://…)`, that its text refers to."""
    found: dict[int, dict[str, Any]] = {}
    room = _ROOM
    for source in _SOURCE.finditer(text) if "http" in text else ():
        number = int(source["number"])
        if number in found or f"[{number}]" not in text[: source.start()] or len(found) == _MOST:
            continue
        title = source["title"].strip(" -–:,") or source["address"]
        claim = {
            "@type": "Claim",
            "position": number,
            "appearance": {
                "@type": "DigitalDocument",
                "name": title[:_LONGEST_NAME],
                "url": source["address"],
                "abstract": title[:_LONGEST_ABSTRACT],
            },
        }
        room -= weight(claim)
        if room < 0:
            break
        found[number] = claim
    return list(found.values())


def stream(kind: str, stream_id: str = "", sequence: int = 0) -> FreeEntity:
    """What makes a request a part of a streamed answer: `informative`, `streaming` or `final`."""
    fields: dict[str, Any] = {"streamType": kind}
    if stream_id:
        fields["streamId"] = stream_id
    if sequence:
        fields["streamSequence"] = sequence
    return FreeEntity(type="streaminfo", additional_properties=fields)
