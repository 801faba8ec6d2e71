"""What the commands print: plain words, with colours where there is a terminal to show them."""

from collections.abc import Iterable
from typing import Literal

from rich.console import Console
from rich.text import Text

from bot.version import __version__

__all__ = ["Mark", "show_report", "show_rows", "show_skills", "told"]

Mark = Literal["on", "off", "wrong"]

_SIGNS: dict[Mark, tuple[str, str]] = {
    "on": ("on ", "bold green"),
    "off": ("off", "yellow"),
    "wrong": ("!! ", "bold red"),
}


def show_report(rows: Iterable[tuple[str, bool, str]]) -> None:
    """What was found at start. The address of the page stands on a line of its own."""
    rows = list(rows)
    pages = [text for _, on, text in rows if on and text.startswith("http://")]
    terminal = _terminal()
    terminal.print(Text(f"Parley {__version__}", style="bold"))
    terminal.print()
    show_rows(
        ("on" if on else "off", what, "the page below" if text in pages else told(what, text))
        for what, on, text in rows
        if not (on and what.startswith("skill "))
    )
    for page in pages:
        terminal.print()
        terminal.print(Text("Open this page to talk to Parley; the address holds its key:"))
        print(page, flush=True)
    terminal.print()
    terminal.file.flush()


def show_rows(rows: Iterable[tuple[Mark, str, str]]) -> None:
    """One line for each row: on, off or wrong; what; a sentence."""
    rows = list(rows)
    width = max((len(what) for _, what, _ in rows), default=0)
    terminal = _terminal()
    for mark, what, text in rows:
        sign, style = _SIGNS[mark]
        line = Text.assemble("  ", (sign, style), f"  {what:<{width}}  ", text)
        terminal.print(line, soft_wrap=True)
    terminal.file.flush()


def show_skills() -> None:
    """Every installed skill: what it does, what it may be asked, where it comes from, or why it is refused."""
    from bot.discovery import find_skills
    from bot.forms import form_of

    terminal = _terminal()
    for found in find_skills():
        if found.skill is None:
            heading = Text.assemble((found.name, "bold"), ("  refused", "bold red"), f"  (from {found.package})")
            terminal.print(heading, soft_wrap=True)
            terminal.print(Text(f"    {found.refused}"), soft_wrap=True)
            continue
        heading = Text.assemble((found.name, "bold"), f"  {found.skill.help}", (f"  (from {found.package})", "dim"))
        terminal.print(heading, soft_wrap=True)
        for field in form_of(found.skill.request_type).fields:
            terminal.print(Text(f"    {field.name}: {field.description}"), soft_wrap=True)
    terminal.file.flush()


def told(what: str, text: str) -> str:
    """The sentence without what the row says already."""
    return text.removeprefix(f"{what}: ").removeprefix("on: ")


def _terminal() -> Console:
    return Console(highlight=False, markup=False, emoji=False)
