"""Markdown as Teams shows it: no headings, rules, tables, pictures or HTML in a message's text.

A model may write anything, so nothing here takes longer than in proportion to the length of the text.
"""

import re

from bot.markup import clean

__all__ = ["shown", "wide_tables"]

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_HEADING = re.compile(r" {0,3}#{1,6}(?=[ \t])")
_CODE = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)")
_PICTURE = re.compile(r"!\[([^\[\]\n]{0,500})\](?:\([^()\n]{0,2000}\)|\[[^\[\]\n]{0,500}\])")
_ADDRESS = re.compile(r"<(https?://[^\s<>]+)>")
_WIDE, _MOST_COLUMNS = 72, 12  # letters of equal width in a row, and columns that a card can show
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]")
_BOX = re.compile(r"([ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]{1,4})\[([ xX])\](?=[ \t]|$)")


def shown(text: str, footer: str = "") -> str:
    """`text` in the Markdown that Teams understands, with `footer` below it in italics."""
    lines = clean(text).split("\n")
    out: list[str] = []
    written: set[int] = set()  # which of them are words, and not code
    fence = ""
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        mark = _FENCE.fullmatch(line)
        if fence:
            out.append(line)
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
        elif mark and not (mark[1][0] == "`" and "`" in mark[2]):
            fence = mark[1]
            out.append(line)
        elif "|" in line and at < len(lines) and _is_table_rule(lines[at]):
            rows = [line]
            at += 1
            while at < len(lines) and "|" in lines[at]:
                rows.append(lines[at])
                at += 1
            out += ["```", *_aligned(rows), "```"]
        else:
            written.add(len(out))
            out.append(_line(line))
    if fence:
        out.append(fence)
    for number in written:
        if number + 1 in written and _runs_on(out[number], out[number + 1]):
            out[number] = f"{out[number].rstrip()}  "
    body = "\n".join(out).strip("\n")
    small = _italic(footer)
    return f"{body}\n\n{small}" if body and small else body or small


def wide_tables(text: str) -> list[list[list[str]]]:
    """The tables of a text, by rows and cells, whose rows would not fit side by side into a message."""
    if "|" not in text:
        return []
    found: list[list[list[str]]] = []
    fenced = False
    lines = clean(text).split("\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        fenced ^= bool(_FENCE.fullmatch(line))
        if fenced or "|" not in line or at >= len(lines) or not _is_table_rule(lines[at]):
            continue
        rows = [_cells(line)]
        at += 1
        while at < len(lines) and "|" in lines[at]:
            rows.append(_cells(lines[at]))
            at += 1
        columns = max(len(row) for row in rows)
        if 1 < columns <= _MOST_COLUMNS and max(sum(map(len, row)) + 2 * len(row) for row in rows) > _WIDE:
            found.append(rows)
    return found


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def _line(line: str) -> str:
    if _is_rule(line):
        return ""
    heading = _HEADING.match(line)
    if heading is None:
        box = _BOX.match(line)
        return f"{box[1]}{'☐' if box[2] == ' ' else '☑'}{_inline(line[box.end() :])}" if box else _inline(line)
    words = line[heading.end() :].strip()
    opened = words.rstrip("#")
    if not opened or opened[-1] in " \t":
        words = opened.rstrip()
    words = words.replace("**", "").replace("__", "")
    return f"**{_inline(words)}**" if words else ""


def _runs_on(line: str, following: str) -> bool:
    """Whether Teams would write the following line behind this one: it takes a line's end for a mere gap."""
    return bool(line.strip() and following.strip()) and not line.endswith("\\") and not _ITEM.match(following)


def _is_rule(line: str) -> bool:
    """Three or more of one sign and nothing else: a line across, or what makes a heading of the line above."""
    signs = line.replace(" ", "").replace("\t", "")
    return len(signs) >= 3 and signs[0] in "-_*=" and signs == signs[0] * len(signs)


def _is_table_rule(line: str) -> bool:
    """The line between a table's head and its rows, such as `|---|:-:|`."""
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    dashes = [cell.removeprefix(":").removesuffix(":") for cell in cells]
    return "|" in line and all(each and not each.strip("-") for each in dashes)


def _aligned(rows: list[str]) -> list[str]:
    """The rows of a table in columns, for a font of equal width; as they are where that would take much more room."""
    cells = [_cells(row) for row in rows]
    widths = [0] * max(len(row) for row in cells)
    for row in cells:
        for column, cell in enumerate(row):
            widths[column] = max(widths[column], len(cell))
    if sum(sum(widths[: len(row)]) for row in cells) > 3 * sum(len(row) for row in rows):
        return rows
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in cells]


def _inline(line: str) -> str:
    """A line without pictures and tags; what is in code spans stays as it is."""
    out: list[str] = []
    at = 0
    for code in _CODE.finditer(line):
        out += [_without_tags(line[at : code.start()]), code[0]]
        at = code.end()
    return "".join([*out, _without_tags(line[at:])])


def _without_tags(piece: str) -> str:
    return _TAG.sub("&lt;", _ADDRESS.sub(r"\1", _PICTURE.sub(r"\1", piece)))


def _italic(footer: str) -> str:
    words = _without_tags(" ".join(footer.split()))
    if not words:
        return ""
    for mark in ("_", "*"):
        if mark not in words:
            return f"{mark}{words}{mark}"
    return words
