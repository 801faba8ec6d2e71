"""Formulas that stand alone, in LaTeX → one picture below the answer. What is no formula stays as it was written.

What it costs is bounded by how much is drawn; it is done in a thread, as the library is pure Python.
"""

import asyncio
import re
import warnings
from collections.abc import Iterator

import structlog

from bot.messages import Attachment

__all__ = ["illustrated"]

log = structlog.get_logger(__name__)

MOST = 8  # formulas of one answer that are drawn
LONGEST = 600  # characters of one
SECONDS = 5.0  # for all of them
_SIZE, _GAP, _MARGIN = 24, 18, 14
_ALONE = re.compile(r"\$\$(?P<dollars>[^$]+?)\$\$|\\\[(?P<brackets>.+?)\\\]", re.DOTALL)
_FENCED = re.compile(r"^[ \t]*(`{3,}|~{3,}).*?(?:^[ \t]*\1|\Z)|(`+)(?:(?!\2)[^\n])+?\2", re.DOTALL | re.MULTILINE)


async def illustrated(text: str) -> tuple[str, tuple[Attachment, ...]]:
    """The text with a number in the place of each formula that stands alone, and the picture that shows them."""
    found = list(_found(text))[:MOST]
    if not found:
        return text, ()
    try:
        async with asyncio.timeout(SECONDS):
            drawn, picture = await asyncio.to_thread(_draw, [source for _, _, source in found])
    except Exception as error:  # noqa: BLE001 - an answer is not lost for its picture
        log.warning("formulas could not be drawn", formulas=len(found), error=type(error).__name__)
        return text, ()
    if picture is None:
        return text, ()
    parts, end, number = [], 0, 0
    alt = []
    for (start, stop, source), good in zip(found, drawn, strict=True):
        if good:
            number += 1
            parts += [text[end:start], f"**({number})**"]
            alt.append(f"({number}) {source}")
            end = stop
    return "".join([*parts, text[end:]]), (Attachment("formulas.png", "image/png", picture, alt="\n".join(alt)),)


def _found(text: str) -> Iterator[tuple[int, int, str]]:
    """Where each formula begins and ends, and what it is; none in code."""
    if "$$" not in text and "\\[" not in text:
        return
    code = [(found.start(), found.end()) for found in _FENCED.finditer(text)]
    for found in _ALONE.finditer(text):
        source = (found["dollars"] or found["brackets"]).strip()
        if 0 < len(source) <= LONGEST and not any(start <= found.start() < end for start, end in code):
            yield found.start(), found.end(), " ".join(source.split())


def _draw(sources: list[str]) -> tuple[list[bool], bytes | None]:
    """Which of them can be drawn, and the picture of those, one below the other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its own way to find its fonts
        import resvg_py
        from ziamath.zmath import Latex

    drawn: list[bool] = []
    pieces: list[str] = []
    width = height = 0.0
    for source in sources:
        try:
            formula = Latex(f"({len(pieces) + 1})\\quad {source}", size=_SIZE)
            wide, high = formula.getsize()
            svg = formula.svg()
        except Exception as error:  # noqa: BLE001 - whatever it stumbles over, it is shown as it was written
            log.debug("a formula could not be drawn", error=type(error).__name__, characters=len(source))
            drawn.append(False)
            continue
        drawn.append(True)
        pieces.append(svg.replace("<svg ", f'<svg x="{_MARGIN}" y="{_MARGIN + height:.1f}" ', 1))
        width, height = max(width, wide), height + high + _GAP
    if not pieces:
        return drawn, None
    whole = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 2 * _MARGIN:.1f}" '
        f'height="{height - _GAP + 2 * _MARGIN:.1f}">{"".join(_apart(pieces))}</svg>'
    )
    return drawn, bytes(resvg_py.svg_to_bytes(svg_string=whole, background="#ffffff", zoom=2, skip_system_fonts=True))


def _apart(pieces: list[str]) -> Iterator[str]:
    """Each piece with names of its own for the letters that it is drawn from."""
    for number, piece in enumerate(pieces):
        yield re.sub(r'((?:id="|href="#))', rf"\g<1>f{number}-", piece)
