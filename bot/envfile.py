"""`.env`, read line by line before it is used, so that a mistake in it can be pointed at."""

import difflib
import io
import logging
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from annotated_types import Ge, Le
from dotenv.parser import parse_stream
from pydantic.fields import FieldInfo

__all__ = ["EnvFile", "bounds", "read_env_file", "suggestion"]

logging.getLogger("dotenv").setLevel(logging.ERROR)  # what it warns of is told of here, in better words

_MOST_BYTES = 1024 * 1024
_REFERENCE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}")
_CLOSE = 0.85  # how alike a foreign name has to be before it is taken for a slip of the pen
_ELSEWHERE = {  # what other programs call the same thing
    "DISCORD_BOT_TOKEN": "DISCORD_TOKEN",
    "HUGGINGFACE_TOKEN": "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN": "HF_TOKEN",
    "MICROSOFT_APP_ID": "TEAMS_APP_ID",
    "MICROSOFT_APP_PASSWORD": "TEAMS_APP_PASSWORD",
    "OPENAI_API_BASE": "OPENAI_BASE_URL",
    "OPENAI_MODEL": "PARLEY_CHAT_MODEL",
    "TEAMS_APP_SECRET": "TEAMS_APP_PASSWORD",
}


@dataclass(frozen=True, slots=True)
class EnvFile:
    """What is in the file: the line of each name (in capitals), and every mistake as (line, `file:line: sentence`).

    `readable` is false when the file is no settings file at all and must not be read any further.
    """

    path: Path
    lines: Mapping[str, int] = field(default_factory=dict)
    mistakes: tuple[tuple[int, str], ...] = ()
    readable: bool = True


def read_env_file(path: Path, known: Collection[str]) -> EnvFile:
    """Read `path`; `known` are the names that mean something. No value is ever part of a mistake."""
    line = 0
    try:
        if not path.exists():
            return EnvFile(path)
        size = path.stat().st_size
        if size > _MOST_BYTES:
            text = f"{path}: {size // _MOST_BYTES} MB is too large for a settings file. Is it something else?"
            return EnvFile(path, mistakes=((line, text),), readable=False)
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        text = f"{path} cannot be read ({error.strerror}). Give this account the right to read it, or remove it."
        return EnvFile(path, mistakes=((line, text),), readable=False)
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        text = f"{path}:{line}: this is not UTF-8 text. Save the file as UTF-8."
        return EnvFile(path, mistakes=((line, text),), readable=False)
    return _parsed(path, content, known)


def _parsed(path: Path, content: str, known: Collection[str]) -> EnvFile:
    lines: dict[str, int] = {}
    mistakes: list[tuple[int, str]] = []
    earlier = set(os.environ)  # what ${NAME} may refer to
    for binding in parse_stream(io.StringIO(content)):
        number = binding.original.line + _blank_lines(binding.original.string)
        where, name = f"{path}:{number}", (binding.key or "").upper()
        if binding.error or (name and binding.value is None and name not in known):
            mistakes.append((number, f"{where}: this line is not of the form NAME=value."))
        elif name and binding.value is None:
            mistakes.append((number, f"{where}: {name} has no “=”. Write {name}=value."))
        elif name and name not in known:
            mistakes.extend((number, f"{where}: {text}") for text in _unknown(name, known))
        elif name in lines:
            text = f"{where}: {name} is set in line {lines[name]} already. Remove one of the two."
            mistakes.append((number, text))
        elif name:
            lines[name] = number
            referred = {each["name"] for each in _REFERENCE.finditer(binding.value or "")}
            mistakes.extend(
                (number, f"{where}: {name} refers to ${{{missing}}}, which is not set.")
                for missing in sorted(referred - earlier)
            )
        earlier.add(binding.key or "")
    return EnvFile(path, lines, tuple(mistakes))


def suggestion(name: str, known: Collection[str], least: float = 0.6) -> str:
    """The name that was probably meant by `name`, or `""`."""
    bare = name.removeprefix("PARLEY_")
    for candidate in (_ELSEWHERE.get(name, ""), bare, f"PARLEY_{name}", _ELSEWHERE.get(bare, "")):
        if candidate in known:
            return candidate
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=least)), "")


def bounds(field: FieldInfo | None) -> str:
    """Within which bounds a number has to be, as words that follow it."""
    marks = field.metadata if field else []
    least = next((mark.ge for mark in marks if isinstance(mark, Ge)), None)
    most = next((mark.le for mark in marks if isinstance(mark, Le)), None)
    return (f" from {least}" if least is not None else "") + (f" to {most}" if most is not None else "")


def _unknown(name: str, known: Collection[str]) -> list[str]:
    """A name that Parley does not know. Others may keep theirs in the same file: only what was meant for it counts."""
    ours = name.startswith("PARLEY_")
    meant = suggestion(name, known, 0.6 if ours else _CLOSE)
    if meant:
        return [f"{name} is not a setting. Did you mean {meant}?"]
    return [f"{name} is not a setting. Remove it; docs/configuration.md lists all there are."] if ours else []


def _blank_lines(original: str) -> int:
    return original[: len(original) - len(original.lstrip())].count("\n")
