"""A transcript as lines with their times: put together from parts, corrected, written as text or as subtitles."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from bot import SoundPart, Transcript

__all__ = ["Line", "as_subtitles", "as_text", "clock", "correct", "join", "lines_from", "paragraphs", "words_of"]

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[\w'’]+")
_SENTENCE = re.compile(r"[^.!?…。！？]+[.!?…。！？]*[\"”»)]*\s*")
_MOST_DOUBLED = 14  # words that may have been heard twice where two parts meet
_CUE_LETTERS = 84  # two lines of subtitles
_PARAGRAPH_SECONDS = 45.0
_PAUSE_SECONDS = 3.0  # between two lines, above which a paragraph ends


class Line(NamedTuple):
    """What was said from `start` to `end`, in seconds from the beginning of the recording."""

    start: float
    end: float
    text: str


def lines_from(kept: Iterable[Sequence[Any]]) -> list[Line]:
    """Lines that were kept as JSON."""
    return [Line(float(start), float(end), str(text)) for start, end, text in kept]


def join(heard: Iterable[tuple[SoundPart, Transcript]]) -> list[Line]:
    """The parts of one recording, in order, as lines. What two of them have heard is there once."""
    joined: list[Line] = []
    for part, transcript in heard:
        lines = _lines(part, transcript)
        if part.again and joined and lines:
            lines = _without_doubled(joined, lines, part)
        joined.extend(line for line in lines if line.text)
    return joined


def _lines(part: SoundPart, transcript: Transcript) -> list[Line]:
    """With the times that the model told, else shared out by the length of the sentences."""
    if transcript.segments:
        return [Line(part.at(each.start), part.at(each.end), each.text.strip()) for each in transcript.segments]
    sentences = [each.strip() for each in _SENTENCE.findall(transcript.text.strip()) if each.strip()]
    letters = sum(map(len, sentences))
    seconds = sum(end - begin for begin, end in part.pieces)
    lines, at = [], 0.0
    for sentence in sentences:
        after = at + seconds * len(sentence) / letters
        lines.append(Line(part.at(at), part.at(after), sentence))
        at = after
    return lines


def _without_doubled(before: list[Line], lines: list[Line], part: SoundPart) -> list[Line]:
    """The lines of a part without what the part before it has said already; may shorten the last line before.

    Lines that lie wholly in the seconds that were heard twice are dropped if they were said before. Otherwise the words
    are laid over each other: up to two at the edge may have been cut in the middle, and differ.
    """
    heard_until = part.start + part.again
    while len(lines) > 1 and lines[0].end <= heard_until and _says(before[-1].text, lines[0].text):
        lines = lines[1:]
    last, first = before[-1], lines[0]
    ours, theirs = list(_WORD.finditer(last.text)), list(_WORD.finditer(first.text))
    drop, skip, same = _overlap([word[0].casefold() for word in ours], [word[0].casefold() for word in theirs])
    if not same:
        return lines
    if drop:
        before[-1] = last._replace(text=last.text[: ours[len(ours) - drop].start()].rstrip())
    done = theirs[skip + same - 1].end()
    rest = first.text[done:].lstrip(" ,.;:!?…。")
    return [first._replace(text=rest), *lines[1:]] if rest else lines[1:]


def _overlap(ours: Sequence[str], theirs: Sequence[str]) -> tuple[int, int, int]:
    """How many words to drop at our end and to skip at their beginning, so that as many as can be are the same then."""
    best = (0, 0, 0)
    for drop in range(3):
        for skip in range(3):
            end = ours[: len(ours) - drop] if drop else ours
            begin = theirs[skip:]
            for same in range(min(len(end), len(begin), _MOST_DOUBLED), best[2], -1):
                if same < 2 and (drop or skip or len(begin[0]) < 3):
                    continue
                if list(end[-same:]) == list(begin[:same]):
                    best = (drop, skip, same)
                    break
    return best


def _says(text: str, other: str) -> bool:
    words = " ".join(word.casefold() for word in _WORD.findall(other))
    return bool(words) and words in " ".join(word.casefold() for word in _WORD.findall(text))


def words_of(lines: Iterable[Line]) -> str:
    """All that was said, in paragraphs."""
    return "\n\n".join(text for _, text in paragraphs(lines))


def paragraphs(lines: Iterable[Line]) -> list[tuple[float, str]]:
    """The lines as paragraphs of about a minute, each with when it begins."""
    found: list[tuple[float, str]] = []
    end = 0.0
    for line in lines:
        if not found or line.start - end > _PAUSE_SECONDS or line.start - found[-1][0] > _PARAGRAPH_SECONDS:
            found.append((line.start, line.text))
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.text}")
        end = line.end
    return found


def as_text(lines: Iterable[Line]) -> str:
    """A text file: paragraphs, each with its time."""
    return "\n\n".join(f"[{clock(start)}] {text}" for start, text in paragraphs(lines)) + "\n"


def as_subtitles(lines: Iterable[Line], kind: str) -> str:
    """A file of subtitles: `srt` or `vtt`."""
    comma = "," if kind == "srt" else "."
    cues = [cue for line in lines for cue in _cues(line)]
    written = [
        (f"{number}\n" if kind == "srt" else "")
        + f"{_moment(cue.start, comma)} --> {_moment(max(cue.end, cue.start + 0.5), comma)}\n"
        + cue.text.replace("-->", "→")
        for number, cue in enumerate(cues, 1)
    ]
    return ("" if kind == "srt" else "WEBVTT\n\n") + "\n\n".join(written) + "\n"


def _cues(line: Line) -> list[Line]:
    """A line in pieces that can be read while they are shown."""
    cues = [""]
    for word in line.text.split():
        if cues[-1] and len(cues[-1]) + 1 + len(word) > _CUE_LETTERS:
            cues.append("")
        cues[-1] = f"{cues[-1]} {word}".strip()
    letters = sum(map(len, cues)) or 1
    found, at = [], line.start
    for cue in cues:
        after = at + (line.end - line.start) * len(cue) / letters
        found.append(Line(at, after, cue))
        at = after
    return found


def correct(lines: Iterable[Line], wrong: str, right: str) -> tuple[list[Line], int]:
    """The lines with one word, or some words, put right wherever they are; and how often that was."""
    pattern = re.compile(rf"(?<!\w){re.escape(wrong)}(?!\w)", re.IGNORECASE)
    count = 0
    corrected = []
    for line in lines:
        text, times = pattern.subn(lambda _: right, line.text)
        corrected.append(line._replace(text=text))
        count += times
    return corrected, count


def clock(seconds: float) -> str:
    """As on a clock: `0:07`, `12:30`, `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _moment(seconds: float, comma: str) -> str:
    thousandths = round(seconds * 1000)
    rest, thousandths = divmod(thousandths, 1000)
    return f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}{comma}{thousandths:03}"
