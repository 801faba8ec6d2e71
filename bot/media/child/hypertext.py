"""The words of a web page, without what only a browser needs. Runs in the child only."""

import re
from html.parser import HTMLParser

__all__ = ["text_of_html"]

_SKIPPED = frozenset(("script", "style", "noscript", "template", "svg", "head", "iframe", "object", "select"))
_BLOCK = re.compile(
    r"address|article|aside|blockquote|br|d[dlt]|div|fieldset|fig(caption|ure)|footer|form|h[1-6r]|header|li|main|nav|ol|p"
    r"|pre|section|table|tr|ul"
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0", re.IGNORECASE)
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)


def text_of_html(page: str) -> str:
    """What a reader of the page sees, as lines; headings are marked, hidden text is left out."""
    words = _Words()
    words.feed(page)
    words.close()
    text = re.sub(r"[ \t\xa0]+", " ", "".join(words.said))
    return re.sub(r"\n\s*\n\s*(?:\n\s*)*", "\n\n", re.sub(r" ?\n ?", "\n", text)).strip()


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self._skipping: list[str] = []  # the open elements from the first that is not shown
        self._title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "title":
            self._title = True
        if self._skipping:
            if tag not in _VOID:
                self._skipping.append(tag)
            return
        if tag not in _VOID and (tag in _SKIPPED or "hidden" in given or _HIDDEN.search(given.get("style") or "")):
            self._skipping.append(tag)
            return
        if _BLOCK.fullmatch(tag):
            self.said.append("\n")
        if tag in ("td", "th"):
            self.said.append(" | ")
        if tag == "li":
            self.said.append("- ")
        if re.fullmatch(r"h[1-6]", tag):
            self.said.append(f"{'#' * int(tag[1])} ")
        if tag == "img" and given.get("alt"):
            self.said.append(f"[picture: {given['alt']}]")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._title = False
        if self._skipping:
            if tag in self._skipping:
                del self._skipping[len(self._skipping) - 1 - self._skipping[::-1].index(tag) :]
            return
        if _BLOCK.fullmatch(tag):
            self.said.append("\n")

    def handle_data(self, data: str) -> None:
        if self._title:
            self.said.append(f"{' '.join(data.split())}\n\n")
        elif not self._skipping:
            self.said.append(re.sub(r"\s+", " ", data))
