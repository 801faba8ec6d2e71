"""The job on documents: their text. Runs in the child only."""

import csv
import email.policy
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

from bot.media.child.hypertext import text_of_html
from bot.media.child.refused import Refused

__all__ = ["read"]

_MOST_ENTRIES = 1000
_MOST_RATIO = 100
_MOST_UNPACKED = 200 * 1024 * 1024
_MOST_XML = 40 * 1024 * 1024
_MOST_COLUMNS = 100
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_HEADER = re.compile(
    rb"(?:(?:From|To|Subject|Date|Received|Return-Path|MIME-Version|Message-ID|Delivered-To):\s)", re.IGNORECASE
)

_Facts = tuple[dict[str, Any], bytes]


def read(data: bytes, *, name: str, most_characters: int, most_pages: int, most_rows: int) -> _Facts:
    """The text of a document, as much as is allowed, and how much of it that is."""
    ending = name.rpartition(".")[2].lower()
    text = _Text(most_characters)
    if data.startswith(b"%PDF-") or b"%PDF-" in data[:1024]:
        kind, unit = "PDF", _pdf(data, text, most_pages)
    elif data.startswith(b"PK\x03\x04"):
        kind, unit = _zipped(data, text, most_pages, most_rows)
    elif data.startswith(b"\xd0\xcf\x11\xe0"):
        raise Refused("old office")
    elif ending in ("html", "htm", "xhtml") or data[:512].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        kind, unit = "web page", text.add(text_of_html(_decoded(data)))
    elif ending == "eml" or len(_HEADER.findall(data[:2048])) >= 3:
        kind, unit = "e-mail", _mail(data, text)
    elif ending == "ipynb":
        kind, unit = "notebook", _notebook(data, text)
    else:
        kind, unit = _KINDS.get(ending, "text"), text.add(_decoded(data))
    if not text.any:
        raise Refused("no text" if kind == "PDF" else "empty")
    return {"kind": kind, "cut": text.cut, **unit}, str(text).encode("utf-8", "replace")


class _Text:
    """Text that grows to a limit."""

    def __init__(self, most: int) -> None:
        self._parts: list[str] = []
        self._room = most
        self.total = 0  # of all that was to be added
        self.cut = False

    def add(self, part: str) -> dict[str, Any]:
        part = _CONTROLS.sub("", part.replace("\r\n", "\n").replace("\r", "\n"))
        self.total += len(part)
        if len(part) > self._room:
            part, self.cut = part[: self._room], True
        self._room -= len(part)
        self._parts.append(part)
        return {"unit": "characters", "read": sum(map(len, self._parts)), "of": self.total}

    @property
    def any(self) -> bool:
        return any(part.strip() for part in self._parts)

    def __str__(self) -> str:
        return "".join(self._parts).strip()


_KINDS = {"csv": "table", "tsv": "table", "json": "JSON", "md": "Markdown", "log": "log", "xml": "XML"}


def _decoded(data: bytes) -> str:
    """Bytes as text, in the encoding that they seem to be in. Refuses what is no text."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    head = data[:4096]
    if b"\x00" in head:
        odd, even = head[1::2].count(0), head[0::2].count(0)
        if max(odd, even) > len(head) // 5 and min(odd, even) * 10 < max(odd, even):
            return data.decode("utf-16-le" if odd > even else "utf-16-be", "replace")
        raise Refused("unknown")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        if error.start > len(data) - 4:  # it was cut in the middle of a character
            return data[: error.start].decode()
    text = data.decode("cp1252", "replace")
    strange = len(_CONTROLS.findall(text[:4096])) + text[:4096].count("\ufffd")
    if strange * 50 > len(text[:4096]):
        raise Refused("unknown")
    return text


def _pdf(data: bytes, text: _Text, most_pages: int) -> dict[str, Any]:
    from pypdf import PdfReader
    from pypdf.errors import FileNotDecryptedError

    reader = PdfReader(io.BytesIO(data), strict=False)
    try:
        if reader.is_encrypted and not reader.decrypt(""):
            raise Refused("locked")
        pages = len(reader.pages)
        number = 0
        for number, page in enumerate(reader.pages, 1):
            words = page.extract_text().strip()
            if words:
                text.add(f"[page {number}]\n{words}\n\n")
            if text.cut or number >= most_pages:
                break
    except FileNotDecryptedError:
        raise Refused("locked") from None
    text.cut = text.cut or number < pages
    return {"unit": "pages", "read": number, "of": pages}


def _zipped(data: bytes, text: _Text, most_pages: int, most_rows: int) -> tuple[str, dict[str, Any]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        unpacked = sum(entry.file_size for entry in entries)
        if len(entries) > _MOST_ENTRIES or unpacked > _MOST_UNPACKED or unpacked > _MOST_RATIO * len(data):
            raise Refused("bomb")
        names = {entry.filename for entry in entries}
        if "word/document.xml" in names:
            return "Word document", _lines_of(text, _docx(_xml(archive, "word/document.xml")))
        if "ppt/presentation.xml" in names:
            return "presentation", _pptx(archive, names, text, most_pages)
        if "content.xml" in names and "mimetype" in names:
            return "OpenDocument file", _lines_of(text, _odf(_xml(archive, "content.xml")))
        if "xl/workbook.xml" in names:
            return "spreadsheet", _xlsx(data, text, most_rows)
    raise Refused("archive")


def _xml(archive: zipfile.ZipFile, name: str) -> Any:
    """An XML file of an archive, read without anything that it declares: no entities, nothing from outside."""
    from defusedxml.ElementTree import fromstring

    if archive.getinfo(name).file_size > _MOST_XML:
        raise Refused("memory")
    return fromstring(archive.read(name), forbid_dtd=True)


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _lines_of(text: _Text, lines: Iterable[str]) -> dict[str, Any]:
    told: dict[str, Any] = {"unit": "characters", "read": 0, "of": 0}
    for line in lines:
        told = text.add(f"{line}\n")
    return told


def _docx(root: Any) -> Iterator[str]:
    def blocks(parent: Any) -> Iterator[str]:
        for element in parent:
            tag = _tag(element)
            if tag == "p":
                style = next((str(v) for e in element.iter() if _tag(e) == "pStyle" for v in e.attrib.values()), "")
                level = re.fullmatch(r"(?i)(?:heading|title|überschrift|titre)\s*(\d?)", style)
                mark = f"{'#' * min(int(level[1] or 1), 6)} " if level else ""
                yield mark + _runs(element, {"t": None, "tab": "\t", "br": "\n", "cr": "\n"})
            elif tag == "tbl":
                for row in (each for each in element if _tag(each) == "tr"):
                    cells = (" ".join(blocks(cell)).strip() for cell in row if _tag(cell) == "tc")
                    yield " | ".join(cells)
                yield ""
            elif tag in ("body", "sdt", "sdtContent", "ins"):
                yield from blocks(element)

    return blocks(root)


def _odf(root: Any) -> Iterator[str]:
    for element in root.iter():
        tag = _tag(element)
        if tag in ("h", "p"):
            yield ("# " if tag == "h" else "") + "".join(element.itertext())
        elif tag == "page":
            yield ""


def _runs(paragraph: Any, marks: dict[str, str | None]) -> str:
    said = []
    for element in paragraph.iter():
        tag = _tag(element)
        if tag in marks:
            mark = marks[tag]
            said.append(element.text or "" if mark is None else mark)
    return "".join(said)


def _pptx(archive: zipfile.ZipFile, names: set[str], text: _Text, most_pages: int) -> dict[str, Any]:
    numbers = sorted(int(found[1]) for name in names if (found := re.fullmatch(r"ppt/slides/slide(\d+)\.xml", name)))
    shown = 0
    for shown, number in enumerate(numbers, 1):
        lines = [f"[slide {shown}]", *_paragraphs(_xml(archive, f"ppt/slides/slide{number}.xml"))]
        notes = f"ppt/notesSlides/notesSlide{number}.xml"
        if notes in names:
            lines += ["Notes:", *_paragraphs(_xml(archive, notes))]
        text.add("\n".join(lines) + "\n\n")
        if text.cut or shown >= most_pages:
            break
    text.cut = text.cut or shown < len(numbers)
    return {"unit": "slides", "read": shown, "of": len(numbers)}


def _paragraphs(root: Any) -> list[str]:
    lines = (_runs(each, {"t": None, "br": "\n"}).strip() for each in root.iter() if _tag(each) == "p")
    return [line for line in lines if line]


def _xlsx(data: bytes, text: _Text, most_rows: int) -> dict[str, Any]:
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    rows = more = 0
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # what a file claims of its size is not to be believed
        text.add(f"[sheet {sheet.title}]\n")
        for row in sheet.iter_rows(values_only=True, max_col=_MOST_COLUMNS):
            if text.cut or rows >= most_rows:
                more += 1
                if more > 100_000:
                    break
                continue
            cells = [_cell(value) for value in row]
            if any(cells):
                rows += 1
                text.add(_row(cells))
        text.add("\n")
    text.cut = text.cut or more > 0
    return {"unit": "rows", "read": rows, "of": rows + more}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value.isoformat(" ") if hasattr(value, "hour") and hasattr(value, "year") else value)


def _row(cells: list[str]) -> str:
    while cells and not cells[-1]:
        cells.pop()
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(cells)
    return written.getvalue()


def _mail(data: bytes, text: _Text) -> dict[str, Any]:
    message = BytesParser(policy=email.policy.default).parsebytes(data)
    if not isinstance(message, EmailMessage):
        raise Refused("damaged")
    heads = [f"{name}: {message[name]}" for name in ("From", "To", "Cc", "Date", "Subject") if message[name]]
    body = message.get_body(preferencelist=("plain", "html"))
    words = ""
    if body is not None:
        words = str(body.get_content())
        if body.get_content_type() == "text/html":
            words = text_of_html(words)
    attached = [part.get_filename() or part.get_content_type() for part in message.iter_attachments()]
    names = [f"Attached: {', '.join(attached)}"] if attached else []
    return text.add("\n".join([*heads, *names, "", words]))


def _notebook(data: bytes, text: _Text) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for cell in json.loads(data)["cells"]:
        source = cell.get("source", "")
        words = source if isinstance(source, str) else "".join(source)
        told = text.add(f"[{cell.get('cell_type', 'cell')}]\n{words}\n\n")
    return told
