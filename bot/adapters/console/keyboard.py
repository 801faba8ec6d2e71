"""What the person types, or what a pipe brings, without ever holding up the event loop or the end of the program."""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

__all__ = ["Keyboard"]

PROMPT = "› "
_STDIN = 0


class Keyboard:
    """Lines from the standard input. Use as a context manager: a terminal is left as it was found.

    Reading is done in a daemon thread by plain system calls: one that still waits for a key when the program ends
    holds no lock that Python would want at exit.
    """

    def __init__(self) -> None:
        self.interactive = _is_terminal()
        self._buffer = b""
        self._mode: list[Any] | None = None

    def __enter__(self) -> Self:
        if self.interactive:
            with contextlib.suppress(ImportError):
                import readline  # noqa: F401 - it gives `input` its line editing and history
            self._mode = _terminal_mode()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._mode is not None:
            import termios

            termios.tcsetattr(_STDIN, termios.TCSADRAIN, self._mode)

    async def line(self) -> str | None:
        """The next line, `None` at the end of the input."""
        return await _in_thread(_typed if self.interactive else self._piped)

    def prompt_again(self) -> None:
        """Show the prompt below what was shown while a line was being typed."""
        print(PROMPT, end="", flush=True)

    async def line_unless(self, changed: asyncio.Event) -> str | None:
        """A line that is typed without a prompt, while something else is on the screen; `""` once `changed` is set."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        try:
            loop.add_reader(_STDIN, readable.set)
        except (NotImplementedError, OSError):  # not everywhere can a terminal be watched
            await changed.wait()
            return ""
        try:
            waits = [asyncio.create_task(each.wait()) for each in (readable, changed)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            if not readable.is_set():
                return ""
        finally:
            loop.remove_reader(_STDIN)
        return self._piped()  # a whole line is there: a terminal gives nothing less

    def _piped(self) -> str | None:
        while b"\n" not in self._buffer:
            try:
                more = os.read(_STDIN, 65536)
            except OSError:  # there is no standard input, or its terminal has gone
                more = b""
            if not more:
                rest, self._buffer = self._buffer, b""
                return rest.decode("utf-8", "replace") if rest else None
            self._buffer += more
            if self.interactive and not more.endswith(b"\n"):
                break
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode("utf-8", "replace").removesuffix("\r")


def _typed() -> str | None:
    try:
        return input(PROMPT)
    except EOFError:
        print()
        return None


async def _in_thread(read: Callable[[], str | None]) -> str | None:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str | None] = loop.create_future()

    def tell(line: str | None, error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(line)
        else:
            done.set_exception(error)

    def work() -> None:
        line, failed = None, None
        try:
            line = read()
        except Exception as error:  # noqa: BLE001 - it is raised where the line is waited for
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            loop.call_soon_threadsafe(tell, line, failed)

    threading.Thread(target=work, name="keyboard", daemon=True).start()
    return await done


def _is_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _terminal_mode() -> list[Any] | None:
    try:
        import termios
    except ImportError:
        return None
    return termios.tcgetattr(_STDIN)
