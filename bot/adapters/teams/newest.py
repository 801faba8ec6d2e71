"""Remembering the newest few of something."""

from collections import OrderedDict
from typing import TypeVar

__all__ = ["keep"]

K = TypeVar("K")
V = TypeVar("V")


def keep(kept: "OrderedDict[K, V]", key: K, value: V, most: int) -> None:
    """Remember this as the newest, and forget the oldest where there are more than `most`."""
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)
