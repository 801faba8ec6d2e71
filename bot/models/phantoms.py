"""Words that were never said: what models that listen make up from silence and noise, and how it is noticed.

Each family tells in its own small print how sure it is. Well-known phrases alone prove nothing, since people do say
"thank you"; they count only together with a model that is unsure itself.
"""

import re
from collections.abc import Sequence
from typing import Any

__all__ = ["nobody_spoke", "spoken_segments"]

_NO_SPEECH = 0.8  # the probability above which Whisper itself says that it heard nobody
_UNSURE = -0.7  # mean logarithm of a probability, of words that are guesses
_INVENTED = -1.5
_PHANTOMS = re.compile(
    r"(thank(s| you)( (all|so much|very much|for (watching|listening)))*|you|bye( bye)?|(please )?subscribe.*"
    r"|\[?music\]?|subtitles? by .*|untertitel.*|sous-titr.*|vielen dank.*|amara\.org.*|ご視聴ありがとうございました"
    r"|謝謝觀看|谢谢观看)",
    re.IGNORECASE,
)


def spoken_segments(segments: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The segments without those in which the model heard nobody."""
    return [segment for segment in segments if not _silent(segment)]


def nobody_spoke(text: str, answer: dict[str, Any]) -> bool:
    """Whether `text` was made up, as far as the model itself lets it be known."""
    if answer.get("languages") == []:  # gpt-transcribe: words in no language
        return True
    mean = _mean(answer.get("logprobs"))
    return mean is not None and (mean < _INVENTED or (mean < _UNSURE and _is_phantom(text)))


def _silent(segment: dict[str, Any]) -> bool:
    chance, sure = segment.get("no_speech_prob"), segment.get("avg_logprob")
    if not isinstance(chance, int | float):
        return False
    if isinstance(sure, int | float) and sure > _UNSURE / 2:  # it heard a murmur, and every word of it
        return False
    phantom = chance > 0.5 and _is_phantom(str(segment.get("text", "")))
    return chance > _NO_SPEECH or phantom


def _is_phantom(text: str) -> bool:
    return bool(_PHANTOMS.fullmatch(text.strip(" .!…♪\n")))


def _mean(told: Any) -> float | None:
    chances = [each.get("logprob") for each in told if isinstance(each, dict)] if isinstance(told, list) else []
    numbers = [each for each in chances if isinstance(each, int | float)]
    return sum(numbers) / len(numbers) if numbers else None
