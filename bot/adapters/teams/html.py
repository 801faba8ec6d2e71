"""What a person wrote in Teams, out of the HTML that Teams wraps it in.

Read in one pass, whatever it is made of: the standard library's parser needs minutes for 64 KB of the wrong characters.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Blockquote", "plain", "quoted"]

_LARGEST = 64 * 1024
_REPLY = "http://schema.skype.com/Reply"
_BLOCKS = frozenset({"div", "p", "li", "tr", "pre", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6"})
_SILENT = frozenset({"script", "style", "head", "title"})
_NAME = re.compile(r"/?([A-Za-z][A-Za-z0-9]{0,20})")
_GIVEN = re.compile(r"""(?<![\w:-])([\w:-]{1,40})\s?=\s?(?:"([^"]*)"|'([^']*)')""")
_LONGEST_TAG = 4000
_ALONE = frozenset({"br", "img", "hr", "input", "meta", "link", "wbr"})  # tags that nothing stands in
_UNSEEN = re.compile(r"display\s?:\s?none|visibility\s?:\s?hidden|font-size\s?:\s?0(?![.\d]*[1-9])", re.IGNORECASE)


@dataclass(slots=True)
class Blockquote:
    """The message that was replied to, as the Teams client quotes it."""

    id: str = ""
    author_id: str = ""
    author: str = ""
    text: str = ""


def plain(markup: str) -> str:
    """The text of a piece of HTML, one line for each line seen, without the quoted message.

    Whom it mentions is written as @name, a small picture as what it stands for; what nobody sees is left out.
    """
    return _Reader(markup).text()


def quoted(markup: str) -> Blockquote | None:
    """The message quoted in a reply, or None."""
    return _Reader(markup).quote


def _pieces(markup: str) -> Iterator[tuple[bool, str]]:
    """Tags (without their brackets) and the text between them, in order, as (whether it is a tag, what it is)."""
    at = 0
    while True:
        start = markup.find("<", at)
        following = markup[start + 1 : start + 2]
        end = markup.find(">", start) if start >= 0 else -1
        if end < 0:
            yield False, markup[at:]
            return
        if following.isalpha() or following in ("/", "!", "?"):
            yield False, markup[at:start]
            yield True, markup[start + 1 : end]
            at = end + 1
        else:
            yield False, markup[at : start + 1]
            at = start + 1


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # a character by a number of thousands of digits
        return text


def _given(piece: str) -> dict[str, str]:
    """The attributes of a tag."""
    return {each[1].lower(): _unescaped(each[2] or each[3] or "") for each in _GIVEN.finditer(piece)}


def _is_unseen(piece: str) -> bool:
    """Whether a tag hides what stands in it."""
    return bool(_UNSEEN.search(_given(piece).get("style", ""))) or re.search(r"\shidden(?=[\s=/]|$)", piece) is not None


class _Part:
    """Lines of text: a block begins a new line once, however many tags say so."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def add(self, text: str) -> None:
        if text.isspace() and self._at_line_start():
            return  # the line ends between tags mean nothing
        self._pieces.append(text)

    def new_line(self) -> None:
        self._pieces.append("\n")

    def new_block(self) -> None:
        if not self._at_line_start():
            self._pieces.append("\n")

    def _at_line_start(self) -> bool:
        return not self._pieces or self._pieces[-1].endswith("\n")

    def text(self) -> str:
        lines = "".join(self._pieces).replace("\xa0", " ").replace("\r", "").split("\n")
        return "\n".join(line.rstrip() for line in lines).strip()


class _Reader:
    def __init__(self, markup: str) -> None:
        self.quote: Blockquote | None = None
        self._body = _Part()
        self._author = _Part()
        self._preview = _Part()
        self._depth = 0  # of blockquotes within the quoted reply
        self._silent = 0
        self._unseen, self._within = "", 0  # the tag whose contents nobody sees, and how many of them are open
        self._into: _Part | None = self._body
        for is_tag, piece in _pieces(markup[:_LARGEST]):
            if not is_tag:
                self._add(_unescaped(piece))
            elif (name := _NAME.match(piece)) is not None:
                tag = name[1].lower()
                self._close(tag) if piece.startswith("/") else self._open(tag, piece[:_LONGEST_TAG])
        if self.quote is not None:
            self.quote.author, self.quote.text = self._author.text(), self._preview.text()

    def text(self) -> str:
        return self._body.text()

    def _add(self, text: str) -> None:
        if text and self._into is not None and not self._silent and not self._unseen:
            self._into.add(text)

    def _open(self, tag: str, piece: str) -> None:
        if self._unseen:
            self._within += tag == self._unseen
        elif tag not in _ALONE and ("style" in piece or "hidden" in piece) and _is_unseen(piece):
            self._unseen, self._within = tag, 1
        if tag == "at":
            self._add("@")
        elif tag == "emoji" or (tag == "img" and "schema.skype.com/Emoji" in piece):
            self._add(_given(piece).get("alt", ""))
        if tag == "blockquote" or self._depth:
            self._open_quoted(tag, _given(piece))
        self._silent += tag in _SILENT
        if self._into is not None and tag == "br":
            self._into.new_line()
        elif self._into is not None and tag in _BLOCKS:
            self._into.new_block()

    def _open_quoted(self, tag: str, given: dict[str, str]) -> None:
        if tag == "blockquote":
            if self._depth:
                self._depth += 1
            elif given.get("itemtype") == _REPLY and self.quote is None:
                self.quote = Blockquote(id=given.get("itemid", ""))
                self._depth = 1
                self._into = None
        if self._depth and self.quote is not None:
            if given.get("itemprop") == "mri":
                self.quote.author_id = given.get("itemid", "")
                self._into = self._author
            elif given.get("itemprop") in ("preview", "copy"):
                self._into = self._preview

    def _close(self, tag: str) -> None:
        if self._unseen == tag:
            self._within -= 1
            if not self._within:
                self._unseen = ""
        if self._silent and tag in _SILENT:
            self._silent -= 1
        if tag == "strong" and self._into is self._author:
            self._into = None
        if tag == "blockquote" and self._depth:
            self._depth -= 1
            if not self._depth:
                self._into = self._body
        if self._into is not None and tag in _BLOCKS:
            self._into.new_block()
