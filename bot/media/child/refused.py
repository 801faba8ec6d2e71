"""How a job says that it will not go on."""

from typing import Any

__all__ = ["Refused"]


class Refused(Exception):
    """This file is not for us; `reason` is a word that the parent knows how to put to people."""

    def __init__(self, reason: str, **facts: Any) -> None:
        super().__init__(reason)
        self.reason = reason
        self.facts = facts
