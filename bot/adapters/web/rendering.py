"""Answers as HTML: Markdown from a model, which is never to be trusted, turned into blocks that a page can show.

No HTML of the model's passes, nothing is embedded, and a link leads where it says. While an answer grows, only its
last block is worked on again, so that the page keeps what is selected or focused in the others, and a long answer
costs no more per word than a short one.
"""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

__all__ = ["Rendered", "grow", "render"]

_SCHEMES = ("http://", "https://", "mailto:")
_BARE = re.compile(r"https?://[^\s<>\"`]+")
_LANGUAGE = re.compile(r"[\w+#.-]{1,30}")


@dataclass(frozen=True, slots=True)
class Rendered:
    """An answer as far as it has come: its text and its blocks of HTML, one element each.

    The first `settled` blocks, made from the first `offset` characters, do not change as the text grows.
    """

    text: str = ""
    blocks: tuple[str, ...] = ()
    settled: int = 0
    offset: int = 0
    references: dict[str, Any] = field(default_factory=dict)


def render(text: str) -> tuple[str, ...]:
    """The blocks of a finished text."""
    return tuple(block for _, block in _blocks(_plain(text), {}))


def grow(before: Rendered, text: str) -> tuple[int, Rendered]:
    """What `text` looks like, when `before` is what is shown now, and how many of its blocks can stay as they are."""
    text = _plain(text)
    if not text.startswith(before.text[: before.offset]):
        before = Rendered()
    tail = text[before.offset :]
    env: dict[str, Any] = {"references": dict(before.references)}
    found = _blocks(tail, env)
    head = before.blocks[: before.settled]
    blocks = (*head, *(block for _, block in found))
    # Whatever follows, a block is complete once another one has begun, in a line that is itself complete.
    whole_lines = tail.count("\n")
    last = max((index for index, (line, _) in enumerate(found) if line < whole_lines), default=0)
    offset = before.offset + (_line(tail, found[last][0]) if found else 0)
    return before.settled, Rendered(text, blocks, len(head) + last, offset, env["references"])


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _line(text: str, number: int) -> int:
    """Where line `number` begins."""
    position = 0
    for _ in range(number):
        position = text.index("\n", position) + 1
    return position


def _blocks(text: str, env: dict[str, Any]) -> list[tuple[int, str]]:
    """The outermost blocks of a text: the line each begins in, and its HTML."""
    tokens = _markdown.parse(text, env)
    found = []
    start = depth = 0
    for index, token in enumerate(tokens):
        depth += token.nesting
        if depth == 0:
            first = tokens[start]
            block = _markdown.renderer.render(tokens[start : index + 1], _markdown.options, env)
            found.append((first.map[0] if first.map else 0, str(block)))
            start = index + 1
    return found


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 - the name is the library's
        """Whether a link may be one: everything that could run, or read a file, stays the text it is."""
        return url.strip().lower().startswith(_SCHEMES)


class _Html(RendererHTML):
    """How blocks are written; whatever needs a style of its own is a class, as the page allows no inline style."""

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        language = _LANGUAGE.match(tokens[idx].info.strip())
        named = f' data-language="{html.escape(language[0])}"' if language else ""
        return f"<pre{named}><code>{html.escape(tokens[idx].content, quote=False)}</code></pre>\n"

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f"<pre><code>{html.escape(tokens[idx].content, quote=False)}</code></pre>\n"

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return '<div class="table"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "</table></div>\n"


def _finish(state: StateCore) -> None:
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            # The page has headings of its own above those of an answer.
            token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"
        elif token.type in ("th_open", "td_open"):
            style = str(token.attrs.pop("style", ""))
            if style:
                token.attrSet("class", style.removeprefix("text-align:"))
        elif token.type == "inline" and token.children:
            token.children = list(_inline(token.children))


def _inline(children: list[Token]) -> Iterable[Token]:
    """Links that show where they lead, pictures as links to them, addresses that can be clicked."""
    opened: Token | None = None
    words = ""
    for token in children:
        if token.type == "link_open":
            opened, words = token, ""
            yield token
        elif token.type == "link_close" and opened is not None:
            _guard(opened, words)
            opened = None
            yield token
        elif token.type == "image":
            alt = token.content or "picture"
            if opened is not None:
                words += alt
                yield _text(alt)
            else:
                yield from _link(str(token.attrs.get("src", "")), alt)
        elif token.type == "text" and opened is None:
            yield from _linked(token.content)
        else:
            words += token.content
            yield token


def _linked(text: str) -> Iterable[Token]:
    position = 0
    for match in _BARE.finditer(text):
        address = match[0].rstrip(".,;:!?'*_~…")
        while address.endswith(")") and address.count(")") > address.count("("):
            address = address[:-1].rstrip(".,;:!?'*_~…")
        target = _markdown.normalizeLink(address)
        if not _host(target):
            continue
        yield _text(text[position : match.start()])
        yield from _link(target, address)
        position = match.start() + len(address)
    yield _text(text[position:])


def _link(target: str, words: str) -> Iterable[Token]:
    opening = Token("link_open", "a", 1, attrs={"href": target})
    _guard(opening, words)
    yield opening
    yield _text(words)
    yield Token("link_close", "a", -1)


def _guard(opening: Token, words: str) -> None:
    """Open it elsewhere and tell it nothing of us; where the words hide the place it leads to, show that too."""
    target = str(opening.attrs.get("href", ""))
    opening.attrs = {"href": target, "target": "_blank", "rel": "noopener noreferrer nofollow", "title": target}
    host = _host(target)
    if host and not re.match(rf"(?:https?://)?{re.escape(host)}(?=[/:?#]|$)", words.strip(), re.IGNORECASE):
        opening.attrSet("data-host", host)


def _host(target: str) -> str:
    try:
        return urlsplit(target).hostname or ""
    except ValueError:
        return ""


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _new_markdown() -> _Markdown:
    markdown = _Markdown("commonmark", {"html": False, "breaks": True}, renderer_cls=_Html)
    markdown.enable(["table", "strikethrough"])
    markdown.core.ruler.push("finish", _finish)
    return markdown


_markdown = _new_markdown()
