"""Calls written down as the official description of the interface words them."""

import json
import os
from pathlib import Path
from typing import Any

__all__ = ["record"]

_WHOLE = ("n", "partial_images")


def record(folder: Path, method: str, path: str, body: Any, files: list[str]) -> None:
    """Append one call to `openai-*.jsonl`. A form becomes an object: its numbers are numbers, its files are named.

    `/responses` is left out: the description that calls are held against does not have it.
    """
    if path == "/responses":
        return
    if files:
        body = {key: _value(key, value) for key, value in body.items()}
        if path == "/images/edits":  # described as JSON, which holds its pictures as references
            body["images"] = [{"image_url": "data:image/png;base64,"} for _ in files]
        else:
            body |= dict.fromkeys(files, "bytes")
    line = json.dumps({"method": method, "path": path, "json": body, "query": {}})
    with (folder / f"openai-{os.getpid()}.jsonl").open("a") as calls:
        calls.write(line + "\n")


def _value(key: str, value: Any) -> Any:
    if key in _WHOLE:
        return int(value)
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
