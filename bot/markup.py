"""Answers as Markdown text: cleaned at the edge, and split whole.

Lengths are UTF-16 code units throughout, the strictest measure any platform uses.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["clean", "clean_name", "close", "length", "split", "tame"]

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # control characters, but not tab and line ends
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction overrides, which can make text read as another
    "\U000e0000-\U000e007f"  # tags: text that nobody sees
    "\ufff9-\ufffb]"
)
_MARKS = 8  # combining marks kept on one letter: more than any language needs, fewer than it takes to deface a page
_FENCE = re.compile(r"^(?P<indent>(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*)(?P<marks>`{3,}|~{3,})(?P<info>.*)$")
_WHOLE = re.compile(r"<(?:@[!&]?|#|a?:\w{2,32}:|t:|/[\w -]{1,32}:)[\w:-]*>?|https?://\S+")
_BREAKS = (
    (re.compile(r"\n[ \t]*\n"), 0.5),
    (re.compile(r"\n"), 0.3),
    (re.compile(r"(?<=[.!?…。！？])\s"), 0.3),
    (re.compile(r"\s"), 0.2),
)
_BLANK_LINES = re.compile(r"\A(?:(?:[ \t]*\n)+|[ \t])")
_ACTIVE = re.compile(r"]\s?[(\[:]|<\s*[a-zA-Z/!]")
_CODE_SPAN = re.compile(r"((?<!`)`[^`\n]+`(?!`)|``[^\n]+?``)")
_ADDRESS = (
    r"(?P<address><[^<>\n]*>|[^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*)(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'|\([^()\n]*\)))?"
)
_PICTURE = re.compile(rf"!\[(?P<words>[^\[\]\n]*)\](?:\(\s*{_ADDRESS}\s*\)|\[[^\[\]\n]*\])")
_LINK = re.compile(rf"(?<!\\)\[(?P<words>[^\[\]\n]*)\]\(\s*{_ADDRESS}\s*\)")
_DEFINITION = re.compile(r"^ {0,3}\[(?P<words>[^\[\]\n]+)\]:\s*<?(?P<address>[^\s<>]+)>?.*$", re.MULTILINE)
_SCHEME = re.compile(r"[a-zA-Z][\w+.-]*:|//|&")
_LOADING = re.compile(
    r"</?\s*(?:a|img|image|picture|source|video|audio|iframe|frame|object|embed|link|meta|base|style|script|svg|math|form"
    r"|input|button|at)\b[^>\n]*>?",
    re.IGNORECASE,
)
_LOOK = 512  # how far around a cut a mention or a link is looked for


def clean(text: str) -> str:
    """Text that every platform and every database can hold, and in which nothing is hidden.

    Lone surrogates, NUL, direction overrides and invisible tag characters go; piles of combining marks are cut down;
    the text comes out in Unicode's composed form (NFC).
    """
    if text.isascii() and not _INVISIBLE.search(text):
        return text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
    kept = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _MARKS:
            kept.append(character)
    return "".join(kept)


def clean_name(name: str) -> str:
    """A person's or a file's name as one short line of at most 80 characters."""
    return " ".join(clean(name).split())[:80]


def length(text: str) -> int:
    """The length in UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def tame(text: str) -> str:
    """The text with nothing in it that acts by being looked at, or that hides where it leads.

    Pictures from elsewhere become their description, a link its words and its whole address, HTML that loads or links
    something is left out. Code stays as it is.
    """
    if not _ACTIVE.search(text):
        return text
    tamed, fence, plain = [], None, list[str]()
    for line in text.split("\n"):
        found = _parse(line)
        if fence is None and found is None:
            plain.append(line)
            continue
        if plain:
            tamed.append(_tame_words("\n".join(plain)))
            plain = []
        tamed.append(line)
        fence = _after(fence, found)
    if plain:
        tamed.append(_tame_words("\n".join(plain)))
    return "\n".join(tamed)


def _tame_words(text: str) -> str:
    """The same for text in which there is no fenced code; code spans are kept."""
    pieces = _CODE_SPAN.split(text)
    for index in range(0, len(pieces), 2):
        piece = _PICTURE.sub(lambda match: match["words"] or "picture", pieces[index])
        piece = _LINK.sub(_bare, piece)
        piece = _DEFINITION.sub(lambda match: f"{match['words']}: {match['address']}", piece)
        pieces[index] = _LOADING.sub("", piece)
    return "".join(pieces)


def _bare(match: re.Match[str]) -> str:
    words, address = match["words"].strip(), match["address"].strip("<>")
    if not _SCHEME.match(address):
        return match.group()  # not a link that leads anywhere, more likely code
    if not address.lower().startswith(("http://", "https://", "mailto:")):
        return words
    return address if not words or words == address else f"{words} ({address})"


class Fence(NamedTuple):
    """A code fence: what stands before its marks, the marks, and the language behind them."""

    indent: str
    marks: str
    info: str

    @property
    def opening(self) -> str:
        return f"{self.indent}{self.marks}{self.info}\n"

    @property
    def closing(self) -> str:
        return f"\n{self.indent}{self.marks}"


def close(text: str) -> str:
    """The text with its last code fence closed, if it was left open."""
    fence = _open(text, None)
    return text.rstrip("\n") + fence.closing if fence else text


def split(text: str, limit: int) -> list[str]:
    """Cut a Markdown text into parts of at most `limit` UTF-16 units, losing nothing that can be seen.

    A cut falls between paragraphs where it can, else between lines, sentences, words. A code fence that has to be cut
    is closed in one part and opened again in the next. No cut falls into a surrogate pair, a mention, an emoji with
    parts or a link that fits into one part. As a text grows, the parts before its last one stay as they are.

    Raises `ValueError` for a limit below 64, which leaves no room to close and reopen a fence.
    """
    if limit < 64:
        raise ValueError("a limit below 64 leaves no room to close and reopen a code fence")
    parts: list[str] = []
    rest = text.strip("\n")
    fence: Fence | None = None
    while True:
        opening = fence.opening if fence else ""
        if length(opening + rest) <= limit:
            break
        cut, after = _cut(rest, limit - length(opening), fence)
        parts.append(opening + rest[:cut].rstrip() + (after.closing if after else ""))
        rest = rest[cut:].removeprefix("\n") if after else _BLANK_LINES.sub("", rest[cut:], count=1)
        fence = after
    if rest.strip() or not parts:
        parts.append(opening + rest.rstrip())
    return parts


def _cut(rest: str, room: int, fence: Fence | None) -> tuple[int, Fence | None]:
    """Where to cut so that what comes before fits into `room` with its fence closed, and the fence open there."""
    within = rest[: _prefix(rest, room)]
    reserve = max((length(each.closing) for each in _fences(within, fence)), default=0)
    edge = _prefix(rest, room - reserve)
    for pattern, share in _BREAKS:
        for match in reversed(list(pattern.finditer(rest, 0, min(edge + 2, len(rest))))):
            cut = match.start()
            if cut < edge * share:
                break
            after = _open(rest[:cut], fence)
            in_code_line = after is not None and "\n" not in match.group()
            if cut <= edge and not in_code_line and not _inside(rest, cut):
                return _before_opening(rest, cut, fence, after)
    cut = edge
    around = next((each for each in _WHOLE.finditer(rest[: edge + _LOOK]) if each.start() < cut < each.end()), None)
    if around is not None and around.start() > 0:
        cut = around.start()
    while cut > 1 and _joined(rest, cut):
        cut -= 1
    return cut, _open(rest[:cut], fence)


def _before_opening(rest: str, cut: int, fence: Fence | None, after: Fence | None) -> tuple[int, Fence | None]:
    """Move a cut that falls right behind the line that opens a fence to before that line."""
    start = rest.rfind("\n", 0, cut)
    if after is not None and start > 0 and _parse(rest[start + 1 : cut]) is not None:
        return start, _open(rest[:start], fence)
    return cut, after


def _prefix(text: str, units: int) -> int:
    """How many characters of `text` fit into `units` UTF-16 units."""
    if text.isascii():
        return min(len(text), units)
    used = 0
    for index, character in enumerate(text):
        used += 2 if ord(character) > 0xFFFF else 1
        if used > units:
            return index
    return len(text)


def _parse(line: str) -> Fence | None:
    match = _FENCE.match(line)
    if match is None or (match["marks"][0] == "`" and "`" in match["info"]):
        return None
    # A list's bullet before a fence is written only once; later lines are indented by as much.
    return Fence(re.sub(r"[^\s>]", " ", match["indent"]), match["marks"], match["info"])


def _walk(text: str, fence: Fence | None) -> Iterator[Fence | None]:
    """After each line of `text`, the fence that is open; `fence` is open at its beginning."""
    yield fence
    for line in text.split("\n"):
        fence = _after(fence, _parse(line))
        yield fence


def _after(fence: Fence | None, found: Fence | None) -> Fence | None:
    """The fence that is open after a line which may open or close one."""
    if found is None:
        return fence
    if fence is None:
        return found
    return None if found.marks.startswith(fence.marks) and not found.info.strip() else fence


def _fences(text: str, fence: Fence | None) -> list[Fence]:
    return [each for each in _walk(text, fence) if each is not None]


def _open(text: str, fence: Fence | None) -> Fence | None:
    *_, last = _walk(text, fence)
    return last


def _inside(text: str, cut: int) -> bool:
    """Whether a cut here would fall into a mention, a link or an emoji with parts."""
    start = max(0, cut - _LOOK)
    near = _WHOLE.finditer(text[start : cut + _LOOK])
    return _joined(text, cut) or any(start + each.start() < cut < start + each.end() for each in near)


def _joined(text: str, cut: int) -> bool:
    """Whether the characters on both sides of a cut make one sign together."""
    if not 0 < cut < len(text):
        return False
    before, after = text[cut - 1], text[cut]
    return (
        unicodedata.combining(after) != 0
        or after in "\u200d\ufe0f\ufe0e\u20e3"
        or before == "\u200d"
        or "\U0001f3fb" <= after <= "\U0001f3ff"
        or ("\U0001f1e6" <= after <= "\U0001f1ff" and "\U0001f1e6" <= before <= "\U0001f1ff")
    )
