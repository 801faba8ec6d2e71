"""The app package: a zip that an administrator uploads to Teams."""

import io
import json
import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.adapter import AdapterOff
from bot.adapters.teams.icons import color_icon, outline_icon
from bot.adapters.teams.manifest import localized, manifest_of, mistakes
from bot.adapters.teams.manifest_words import LANGUAGES
from bot.commands import Command

if TYPE_CHECKING:
    from bot.config import Config

__all__ = ["package"]

_WHEN = (2020, 1, 1, 0, 0, 0)  # the same content makes the same file


def package(config: "Config", commands: Sequence[Command], *, messages: bool = True) -> bytes:
    """The zip. Raises `AdapterOff` with everything that keeps Teams from taking it."""
    manifest = manifest_of(config, commands, messages=messages)
    words = {f"{language}.json": localized(manifest, language) for language in LANGUAGES}
    if wrong := mistakes(manifest, words):
        raise AdapterOff("Teams would not take this package: " + "; ".join(wrong) + ".")
    files = {
        "manifest.json": _written(manifest),
        "color.png": color_icon(),
        "outline.png": outline_icon(),
        **{name: _written(each) for name, each in words.items()},
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _WHEN), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _written(value: dict[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n"
