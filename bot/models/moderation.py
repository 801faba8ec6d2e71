"""Screening: what is asked, and what the verdict is."""

from collections.abc import Sequence
from typing import Any

from bot.models.bodies import clean
from bot.models.errors import BadReply, NotConfigured
from bot.models.provider import Verdict
from bot.models.wire import Wire

__all__ = ["moderate"]

_SECONDS = 30.0
_MOST_JSON = 4 * 1024 * 1024
_TEXT_ONLY = "text-moderation"


async def moderate(wire: Wire, model: str, text: str, pictures: Sequence[str]) -> Verdict:
    """The verdict on a text and pictures, which are data URIs. Raises a `ModelError`."""
    if pictures and model.startswith(_TEXT_ONLY):
        raise NotConfigured(
            f"“{model}” screens texts only. Whoever runs this bot has to set PARLEY_MODERATE_MODEL to one that looks "
            "at pictures, such as omni-moderation-latest."
        )
    found: dict[str, None] = {}
    flagged = False
    for given in _inputs(text, pictures):
        body: dict[str, Any] = {"model": model, "input": given}
        answer = await wire.ask_object("/moderations", body, role="moderate", seconds=_SECONDS, most=_MOST_JSON)
        results = answer.get("results")
        if not isinstance(results, list) or not results or not all(isinstance(each, dict) for each in results):
            raise BadReply
        for result in results:
            flagged = flagged or bool(result.get("flagged"))
            categories = result.get("categories")
            for name, true in categories.items() if isinstance(categories, dict) else ():
                if true is True:
                    found[str(name)] = None
    return Verdict(flagged, tuple(found))


def _inputs(text: str, pictures: Sequence[str]) -> list[Any]:
    """What to ask one after the other: a call takes one picture."""
    text = clean(text)
    if not pictures:
        return [text]
    said = [{"type": "text", "text": text}] if text.strip() else []
    shown = [{"type": "image_url", "image_url": {"url": picture}} for picture in pictures]
    return [[*said, shown[0]], *([each] for each in shown[1:])]
