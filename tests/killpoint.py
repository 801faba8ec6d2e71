"""Runs Parley and kills it, really, at one step: `python -m tests.killpoint STEP run`.

A step is named by what has happened by then. Everything around it is the unmodified bot.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from bot import delivery
from bot.conversation import Conversation
from storage import Store

Before, After = "before", "after"
STEPS: dict[str, tuple[str, type, str]] = {
    "received, not stored": (Before, Store, "accept"),
    "stored, not acknowledged": (After, Store, "accept"),
    "claimed, nothing begun": (Before, Store, "begin"),
    "begun, nothing shown": (After, Store, "begin"),
    "shown, its id not stored": (Before, Store, "posted"),
    "shown, its id stored": (After, Store, "posted"),
    "answered by the model, nothing kept": (Before, Store, "answered"),
    "answer kept, not delivered": (Before, delivery.Delivery, "finish"),
    "answer delivered, not recorded": (After, delivery.Delivery, "finish"),
    "all recorded": (After, Store, "finish"),
    "waiting for its turn": (Before, Conversation, "answer"),
}
# Steps of what does not happen in every turn.
FURTHER: dict[str, tuple[str, type, str]] = {
    "before two questions are joined": (Before, Store, "join"),
    "two questions are joined": (After, Store, "join"),
    "taken up again": (After, Store, "again"),
}


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(step: str) -> None:
    """Make the process die at `step`."""
    when, owner, name = (STEPS | FURTHER)[step]
    real: Callable[..., Any] = getattr(owner, name)

    async def deadly(*args: Any, **kwargs: Any) -> Any:
        if when == Before:
            _die()
        result = await real(*args, **kwargs)
        _die()
        return result

    setattr(owner, name, deadly)


if __name__ == "__main__":
    arm(sys.argv.pop(1))
    from bot.cli import main

    main()
