"""A running Parley: from the command to the last answer, with its signals."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import structlog

from bot import log
from bot.printing import show_report

if TYPE_CHECKING:
    from bot.app import Parley
    from bot.config import Config

__all__ = ["chat", "serve", "try_teams"]

_log = structlog.get_logger(__name__)
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_CONSOLE_LOG = "console.log"
_YOUNG = 5000  # new objects after which Python looks for garbage among them; its own 700 are made by a few turns


async def serve(config: "Config") -> None:
    """Serve until a signal comes. Raises `StorageError` and `PortTaken`."""
    gc.set_threshold(_YOUNG, 20, 20)
    with _signals() as stopping:
        from bot.app import Parley
        from bot.health import raise_file_limit

        raise_file_limit()
        reloading = asyncio.Event()  # a signal that comes before there is anything to reload counts later
        stopping.on_hangup(reloading.set)
        parley = await Parley.open(config)
        later = set[asyncio.Task[None]]()
        try:
            stopping.then(parley.stop)
            stopping.on_hangup(lambda: later.add(asyncio.create_task(reload(parley), name="reloading")))
            if reloading.is_set():
                await reload(parley)
            # What is there by then stays to the end: looking through all of it for garbage would hold everybody up.
            await parley.run(lambda: show_report(parley.report()), warm=gc.freeze)
        finally:
            for each in later:
                each.cancel()
            await asyncio.gather(*later, return_exceptions=True)
            await parley.close()


async def reload(parley: "Parley") -> None:
    """Read the configuration anew and take over what can be. A wrong one is told of and changes nothing."""
    from bot.config import ConfigError, load_config

    try:
        config = load_config()
    except ConfigError as error:
        _log.error("the configuration is wrong; the one of before stays", mistakes=str(error).splitlines())
        return
    before = log.secrets_of(parley.config)  # the old secrets are none to be shown either
    log.configure(config.log_level, secrets=[*before, *log.secrets_of(config)])
    try:
        left = await parley.reload(config)
    except Exception:  # noqa: BLE001 - whatever it is, what runs goes on running
        _log.exception("the configuration could not be taken over; the one of before stays")
        return
    _log.info("the configuration was read anew", takes_a_restart=left)


async def chat(config: "Config") -> bool:
    """Talk in this terminal until the person leaves. `False` when an answer did not come. Raises `StorageError`."""
    with _signals() as stopping, _log_in_file(config):
        from bot.adapters.console import Console
        from bot.app import Parley

        parley = await Parley.open(config, only=(Console.name,))
        try:
            console = next(adapter for adapter in parley.adapters if isinstance(adapter, Console))
            console.leave = stopping.stop
            stopping.then(parley.stop, interrupted=console.interrupt)
            await parley.run(lambda: None)
            return not console.gave_up
        finally:
            await parley.close()


async def try_teams(config: "Config") -> None:
    """Serve Teams alone, with the Agents Playground as its client, until a signal comes. Raises `StorageError`,
    and `AdapterOff` when the Playground cannot be run.
    """
    with _signals() as stopping:
        from bot.adapters.teams.trying import for_a_try, npx, play
        from bot.app import Parley

        npx()  # before anything is begun
        parley = await Parley.open(for_a_try(config), only=("teams",))
        playing: asyncio.Task[None] | None = None

        def ready() -> None:
            nonlocal playing
            show_report(parley.report())
            playing = asyncio.create_task(play(parley.server.port, lambda text: print(text, flush=True)))
            playing.add_done_callback(lambda _: parley.stop())

        try:
            stopping.then(parley.stop)
            await parley.run(ready)
        finally:
            await parley.close()
            if playing is not None:
                playing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await playing


class _Stopping:
    """Whether to stop, and whom to tell. Once it has been told, the next signal ends the process at once."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._asked = False
        self._stop: Callable[[], None] | None = None
        self._interrupted: Callable[[], None] = self.stop

    def then(self, stop: Callable[[], None], *, interrupted: Callable[[], None] | None = None) -> None:
        """Call `stop` when asked to stop, also when that was before; `interrupted` is what Ctrl-C does instead."""
        self._stop = stop
        self._interrupted = interrupted or self.stop
        if self._asked:
            stop()

    def on_hangup(self, do: Callable[[], None]) -> None:
        """Call `do` when the process is told to read its configuration again."""
        if hasattr(signal, "SIGHUP"):
            self._loop.add_signal_handler(signal.SIGHUP, do)

    def stop(self) -> None:
        for each in _SIGNALS:
            self._loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        if not self._asked:
            _log.info("stopping", remark="answers that are running are finished first; a second signal ends at once")
        self._asked = True
        if self._stop is not None:
            self._stop()

    def interrupt(self) -> None:
        self._interrupted()


@contextlib.contextmanager
def _signals() -> Iterator[_Stopping]:
    loop = asyncio.get_running_loop()
    stopping = _Stopping()
    loop.add_signal_handler(signal.SIGTERM, stopping.stop)
    loop.add_signal_handler(signal.SIGINT, stopping.interrupt)
    try:
        yield stopping
    finally:
        for each in (*_SIGNALS, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])):
            loop.remove_signal_handler(each)


@contextlib.contextmanager
def _log_in_file(config: "Config") -> Iterator[None]:
    """Keep the log out of the conversation, in a file that begins anew each time. Raises `StorageError`."""
    from storage import StorageError

    path = config.folder / _CONSOLE_LOG
    try:
        config.folder.mkdir(parents=True, exist_ok=True)
        file = path.open("w", encoding="utf-8", errors="replace", buffering=1)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror}. Name a folder that can be written with PARLEY_DATA."
        ) from None
    with file:
        log.configure(config.log_level, secrets=log.secrets_of(config), to=file)
        try:
            yield
        finally:
            log.configure(config.log_level, secrets=log.secrets_of(config))
