"""What the person sees: Markdown as it grows in a terminal, plain text elsewhere."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console as Terminal
from rich.console import ConsoleOptions, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment
from rich.spinner import Spinner
from rich.text import Text

from bot.markup import close, split

__all__ = ["Screen"]

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # what a terminal would obey instead of showing
_TAIL = 4000  # characters of a growing answer that are laid out anew with every change


class Screen:
    """One answer at a time, and remarks of the program's own. Use as a context manager: the terminal is left tidy."""

    def __init__(self) -> None:
        self._terminal = Terminal(highlight=False, markup=False, emoji=False, soft_wrap=False)
        self._pretty = self._terminal.is_terminal
        self._live: Live | None = None
        self._answers = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.rest()

    def wait(self) -> None:
        """Show that an answer is on its way."""
        if self._pretty and self._live is None:
            self._live = Live(
                Spinner("dots", style="dim"), console=self._terminal, refresh_per_second=8, transient=True
            )
            self._live.start()

    def grow(self, text: str) -> None:
        """Show an answer as far as it has come."""
        if self._pretty:
            self.wait()
            assert self._live is not None
            self._live.update(_Tail(_printable(text)))

    def answer(self, text: str, files: Sequence[Path], footer: str, actions: str = "") -> None:
        """Show a complete answer, with where its files are kept, its footer, and what can be done with it."""
        self.rest()
        text, footer = _printable(text), _printable(footer)
        if self._pretty:
            if text:
                self._terminal.print(_markdown(text))
        elif text:
            self._plain(f"\n{text}" if self._answers else text)
        self._answers += 1
        for file in files:
            self._line(f"saved: {file}")
        if footer:
            self._line(footer)
        if actions:
            self._line(_printable(actions))
        if self._pretty:
            self._terminal.print()

    def markdown(self, text: str) -> None:
        """Show a text of the program's own."""
        if self._pretty:
            self._terminal.print(_markdown(text))
        else:
            self._plain(text.strip())

    def remark(self, text: str) -> None:
        """Show a sentence about the program itself. It goes where it does not mix with answers in a pipe."""
        if self._pretty:
            self._terminal.print(Text(_printable(text), style="dim"))
        else:
            print(_printable(text), file=sys.stderr, flush=True)

    def rest(self) -> None:
        """Nothing is on its way."""
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()

    def _line(self, text: str) -> None:
        if self._pretty:
            self._terminal.print(Text(text, style="dim"))
        else:
            self._plain(text)

    def _plain(self, text: str) -> None:
        print(text, flush=True)


class _Tail:
    """The last lines of a growing answer, as many as the terminal has room for."""

    def __init__(self, text: str) -> None:
        self._text = split(close(text), _TAIL)[-1]

    def __rich_console__(self, terminal: Terminal, options: ConsoleOptions) -> RenderResult:
        lines = terminal.render_lines(_markdown(self._text), options.update(height=None), pad=False)
        for number, line in enumerate(lines[-max(terminal.height - 2, 1) :]):
            if number:
                yield Segment.line()
            yield from line


def _markdown(text: str) -> Markdown:
    return Markdown(text, hyperlinks=False)  # an address is shown, not hidden behind its words


def _printable(text: str) -> str:
    return _CONTROL.sub("", text)
