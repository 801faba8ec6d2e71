"""The Microsoft 365 Agents Playground as a program of its own beside Parley: fetched by npx, and started for a try.

Its licence is for evaluation, so it is no part of Parley: it comes from Microsoft's own package where it is missing.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bot.adapter import AdapterOff
from bot.adapters.teams.playground import PACKAGE, PERSON

if TYPE_CHECKING:
    from bot.config import Config

__all__ = ["for_a_try", "npx", "play"]

_BESIDE = Path(__file__).with_name("beside.cjs")
_LISTENS = "Listening on "
_NPX = ("--yes", "--prefer-offline", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")
_FIRST_WORDS = 6  # lines that are told when it ends by itself: programs of Node.js begin with what is wrong
_GOES_SECONDS = 3.0


def npx() -> str:
    """The path of npx. Raises `AdapterOff` with what to install."""
    found = shutil.which("npx")
    if found is None or shutil.which("node") is None:
        raise AdapterOff(
            "The Agents Playground needs Node.js 18 or newer with npm, which is not installed here. "
            "Get it from https://nodejs.org (Debian and Ubuntu: sudo apt install npm; macOS: brew install node), "
            "then try again."
        )
    return found


def for_a_try(config: "Config") -> "Config":
    """The same for this machine alone: no credentials, any free port, and whoever plays may change settings."""
    return config.model_copy(
        update={
            "host": "127.0.0.1",
            "port": 0,
            "teams_anonymous": True,
            "teams_app_id": "",
            "teams_tenant_id": "",
            "teams_moderators": (*config.teams_moderators, PERSON),
        }
    )


async def play(port: int, tell: Callable[[str], None]) -> None:
    """Run a Playground that talks to the Parley on this port, until cancelled; `tell` is given sentences on the way.

    Raises `AdapterOff` when it ends by itself, with what it said.
    """
    endpoint = f"http://127.0.0.1:{port}/api/messages"
    options = f"{os.environ.get('NODE_OPTIONS', '')} --require {json.dumps(str(_BESIDE))}"
    tell(f"Starting Microsoft's Agents Playground with npx; the first time it is fetched ({PACKAGE}) …")
    process = await asyncio.create_subprocess_exec(
        *(npx(), *_NPX, PACKAGE),
        *("start", "-e", endpoint, "-c", "msteams", "--disable-telemetry"),
        env={**os.environ, "NODE_OPTIONS": options.strip(), "PLAYS_BESIDE": str(os.getpid())},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=1024 * 1024,
        start_new_session=True,  # Ctrl-C is for Parley, which ends answers that are running before it ends this
    )
    assert process.stdout is not None
    said: list[str] = []
    listened = False
    try:
        async for raw in process.stdout:
            line = raw.decode(errors="replace").rstrip()
            if line and len(said) < _FIRST_WORDS:
                said.append(line)
            if line.startswith(_LISTENS):
                listened = True
                said.clear()
                address = f"http://127.0.0.1:{line.removeprefix(_LISTENS).strip()}/"
                tell(f"Open {address} to talk to Parley as in Teams. Ctrl-C ends both.")
        code = await process.wait()
        hint = "" if listened else " Is this machine online? npx has to fetch it the first time."
        raise AdapterOff("\n".join([f"The Agents Playground ended by itself, with exit code {code}.{hint}", *said]))
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End it with all that it has started."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOES_SECONDS):
                await process.wait()
