"""The child process in which strangers' files are decoded, and what can go wrong with them.

The child is a fresh interpreter that sees none of our environment, may not write files, and has limits on memory,
processor time and wall time. At most two run at once; one whose turn is cancelled is killed.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import structlog

from bot.errors import UserError

__all__ = ["MediaError", "TooLarge", "Unreadable", "apart"]

log = structlog.get_logger(__name__)

_CHILD = Path(__file__).parent / "child" / "main.py"
_MOST_CHILDREN = 2
_MOST_BYTES_BACK = 64 * 1024 * 1024
_places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


class MediaError(UserError):
    """A picture or a sound that cannot be used; the text says what to send instead."""


class TooLarge(MediaError):
    """It is beyond what is decoded here: too many bytes, pixels or seconds, or too much work."""


class Unreadable(MediaError):
    """It is damaged, or of a kind that is not read here."""


async def apart(job: str, data: bytes, *, wall: float, thing: str, **options: Any) -> tuple[dict[str, Any], bytes]:
    """Do `job` on `data` in a child within `wall` seconds; returns the child's facts and bytes.

    `thing` is what people call it: "picture", "sound" or "file". Raises `TooLarge` or `Unreadable`.
    """
    async with _place():
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(_CHILD),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: os.environ[name] for name in ("SYSTEMROOT", "PATH") if name in os.environ},
        )
        try:
            async with asyncio.timeout(wall):
                answer, back = await _exchange(process, {"job": job, "size": len(data), **options}, data)
                await process.wait()
        except TimeoutError:
            log.warning("media child took too long", job=job, bytes=len(data), wall=wall)
            raise TooLarge(f"This {thing} takes too much work to open. Please send a smaller or simpler one.") from None
        except (EOFError, ValueError):  # it died, or wrote what is no answer
            log.warning("media child failed", job=job, bytes=len(data))
            raise TooLarge(f"This {thing} is too large to open. Please send a smaller or simpler one.") from None
        finally:
            await _end(process)
    if "refused" in answer:
        log.info("media refused", job=job, bytes=len(data), reason=answer["refused"], error=answer.get("error"))
        raise _refusal(answer, thing)
    return answer, back


async def _exchange(
    process: asyncio.subprocess.Process, ask: dict[str, Any], data: bytes
) -> tuple[dict[str, Any], bytes]:
    if process.stdin is None or process.stdout is None:
        raise EOFError
    feeding = asyncio.create_task(_feed(process.stdin, json.dumps(ask).encode() + b"\n" + data))
    try:
        answer = json.loads(await process.stdout.readline())
        size = answer.pop("size", 0)
        if not isinstance(size, int) or not 0 <= size <= _MOST_BYTES_BACK:
            raise ValueError("the child announced an impossible size")
        return answer, await process.stdout.readexactly(size)
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill it unless it has ended. One that is just ending is given the time, or its exit code would be lost."""
    try:
        async with asyncio.timeout(0.1):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _feed(pipe: asyncio.StreamWriter, data: bytes) -> None:
    try:
        pipe.write(data)
        await pipe.drain()
    except (BrokenPipeError, ConnectionResetError):
        log.debug("media child stopped reading")  # it answers, or its end is noticed, on the other pipe
    finally:
        pipe.close()


def _place() -> asyncio.Semaphore:
    return _places.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(_MOST_CHILDREN))


def _refusal(answer: dict[str, Any], thing: str) -> MediaError:
    match answer["refused"]:
        case "pixels":
            return TooLarge(
                f"This picture is too large for me: {answer['megapixels']} megapixels; I can look at up to "
                f"{answer['most']}. Please send a smaller copy."
            )
        case "side":
            return TooLarge(
                f"This picture is too large for me: {answer['width']} × {answer['height']} pixels; a side may have up "
                f"to {answer['most']}. Please send a smaller copy."
            )
        case "seconds":
            return TooLarge(
                f"This sound is too long for me: it lasts more than {_in_words(answer['most'])}. "
                "Please send a shorter one."
            )
        case "memory":
            return TooLarge(f"This {thing} needs too much memory to open. Please send a smaller copy.")
        case "animated":
            return TooLarge("This animation is too large. Please make it shorter or smaller.")
        case "silent":
            return Unreadable("There is no sound in this file. Please send a voice note or another sound file.")
        case "bomb":
            return TooLarge("This file unpacks to far more than it seems to hold. Please send what is in it by itself.")
        case "archive":
            return Unreadable("This is an archive. Please send the files in it one by one.")
        case "locked":
            return Unreadable("This file is locked with a password. Please save it without one and send it again.")
        case "no text":
            return Unreadable(
                "There is no text in this PDF; it is probably scanned. Please send its pages as pictures."
            )
        case "empty":
            return Unreadable("There is nothing to read in this file.")
        case "old office":
            return Unreadable(
                "This is an old Office file. Please save it as DOCX, XLSX, PPTX or PDF and send it again."
            )
        case "unknown":
            return Unreadable(
                "I cannot read this kind of file. I read text, code, PDF, Word, Excel, PowerPoint, HTML and e-mail."
            )
        case _:
            return Unreadable(
                f"I could not open this {thing}; it may be damaged. Please save it anew and send it again."
            )


def _in_words(seconds: float) -> str:
    """Seconds in words: `90 seconds`, `10 minutes`."""
    if seconds < 120 or seconds % 60:
        return f"{seconds:g} seconds"
    return f"{seconds / 60:g} minutes"
