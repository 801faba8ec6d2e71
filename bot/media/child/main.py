"""The child: read one job from standard input, do it within the limits, write one answer, end.

Both ways the first line is JSON and `size` bytes follow it. It is started with `python -I`, so that neither the
environment nor the current folder can add code to it.
"""

import contextlib
import importlib
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

_JOBS = {
    "picture facts": ("picture_jobs", "facts"),
    "fit picture": ("picture_jobs", "fit"),
    "look at picture": ("picture_jobs", "look"),
    "shrink picture": ("picture_jobs", "shrink"),
    "sound facts": ("sound_jobs", "facts"),
    "convert sound": ("sound_jobs", "convert"),
    "read document": ("document_jobs", "read"),
    "voice message": ("sound_jobs", "voice"),
    "split sound": ("split_jobs", "split"),
}
_BOT = Path(__file__).parents[2]


def limit(memory: int, seconds: int) -> None:
    """Take no more than `memory` bytes and `seconds` of processor time, and write no file."""
    try:
        import resource
    except ImportError:  # Windows has none; the parent's wall time still holds
        return
    limits = (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    )
    for which, most in limits:
        with contextlib.suppress(ValueError, OSError):  # a platform may know a limit and not let it be set
            resource.setrlimit(which, (most, most))


def find_only_these_modules() -> None:
    """Make `bot.media.child` importable without running what `bot` and `bot.media` import for the parent."""
    for name, folder in (("bot", _BOT), ("bot.media", _BOT / "media")):
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package


def work(job: str, data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Do one job; returns what to answer."""
    from bot.media.child.refused import Refused

    module, name = _JOBS[job]
    try:
        answer: tuple[dict[str, Any], bytes] = getattr(importlib.import_module(f"bot.media.child.{module}"), name)(
            data, **options
        )
    except MemoryError:
        return {"refused": "memory"}, b""
    except Refused as refused:
        return {**refused.facts, "refused": refused.reason}, b""
    except Exception as error:  # noqa: BLE001 - decoders raise anything at all when the bytes are not what they expect
        return {"refused": "damaged", "error": type(error).__name__}, b""
    return answer


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not end up in the answer
    ask: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    limit(ask.pop("memory"), ask.pop("processor"))
    size = ask.pop("size")
    data = sys.stdin.buffer.read(size)
    if len(data) != size:
        return  # the parent is gone
    find_only_these_modules()
    facts, back = work(ask.pop("job"), data, ask)
    answers.write(json.dumps({**facts, "size": len(back)}).encode() + b"\n" + back)
    answers.flush()
    os._exit(0)  # no need to tidy up a process that ends: saves some milliseconds


if __name__ == "__main__":
    main()
