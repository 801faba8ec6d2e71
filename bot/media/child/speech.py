"""Where somebody speaks in a sound, told from noise, hum, tones and clicks. Runs in the child only.

Speech comes in stretches that grow loud and soft, whose pitch of colour wanders, and that are no mere hiss. A tone or a
hum does not wander, hiss is as loud everywhere in its spectrum, a click is over before a syllable would be.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import av
from av.error import FFmpegError

__all__ = ["WINDOW_SECONDS", "Ear", "Heard", "Window", "listen_for_speech"]

WINDOW_SECONDS = 0.02
_RATE = 8000  # samples a second that speech is looked for in
_FAINTEST = -66.0  # dB of full scale below which nothing counts
_BLOCK = 750  # windows, 15 s: what is loud is judged by what is around it
_BRIDGED = 3  # windows of quiet that do not end a stretch
_SHORTEST = 7  # windows of a stretch that may be speech
# A stretch of speech is at least this lively: spread of loudness in dB, of the middle of the spectrum in Hz; and at
# some time it is no flatter than this (1 is white noise).
_LIVELY_DB = 6.0
_LIVELY_HZ = 250.0
_FLATTEST = 0.64


class Window(NamedTuple):
    """20 ms of sound: its loudness in dB of full scale, and of its spectrum how flat it is (a tone is 0, noise 1) and
    where its middle lies, in Hz.
    """

    level: float
    flatness: float
    middle: float


class Heard(NamedTuple):
    """For every 20 ms whether something sounds, and whether it belongs to a stretch that is speech."""

    sounds: list[bool]
    speech: list[bool]


class Ear:
    """Takes decoded frames of any make, and measures every 20 ms of them."""

    def __init__(self) -> None:
        self.windows: list[Window] = []
        self._graph: Any = None
        self._make: tuple[Any, ...] = ()
        self._samples = 0

    def hear(self, frame: Any) -> None:
        """Take the next frame."""
        make = (frame.sample_rate, frame.layout.name, frame.format.name)
        if make != self._make:
            self.close()
            self._graph, self._make, self._samples = _graph(*make), make, 0
        # Times in a file may jump; the samples follow each other.
        frame.pts, frame.time_base = self._samples, Fraction(1, frame.sample_rate)
        self._samples += frame.samples
        self._graph.push(frame)
        self._take()

    def close(self) -> None:
        """Measure what is left."""
        if self._graph is not None:
            self._graph.push(None)
            self._take()
            self._graph = None

    def _take(self) -> None:
        while True:
            try:
                measured = self._graph.pull().metadata
            except (BlockingIOError, EOFError, FFmpegError):
                return
            self.windows.append(
                Window(
                    _number(measured, "astats.1.RMS_level", -120.0),
                    _number(measured, "aspectralstats.1.flatness", 1.0),
                    _number(measured, "aspectralstats.1.centroid", 0.0),
                )
            )


def listen_for_speech(windows: Sequence[Window]) -> Heard:
    """Where something sounds, and where somebody speaks."""
    sounds: list[bool] = []  # what stands out from the noise around it
    loud: list[bool] = []  # what is not much softer than the loudest: in a clip without a pause nothing stands out
    for at in range(0, len(windows), _BLOCK):
        levels = [window.level for window in windows[at : at + _BLOCK]]
        floor = max(_FAINTEST, _percentile(levels, 0.1) + 6, max(levels) - 35)
        sounds.extend(level > floor for level in levels)
        floor = max(_FAINTEST, max(levels) - 30)
        loud.extend(level > floor for level in levels)
    speech = [False] * len(windows)
    for sounding in (sounds, loud):
        for begin, end in _stretches(sounding):
            if _is_speech(windows, sounding, begin, end):
                speech[begin:end] = [True] * (end - begin)
    return Heard(sounds, speech)


def _stretches(sounds: Sequence[bool]) -> Iterator[tuple[int, int]]:
    begin, last = -1, -1
    for at, sounding in enumerate(sounds):
        if sounding:
            if begin < 0:
                begin = at
            last = at
        elif begin >= 0 and at - last > _BRIDGED:
            yield begin, last + 1
            begin = -1
    if begin >= 0:
        yield begin, last + 1


def _is_speech(windows: Sequence[Window], sounds: Sequence[bool], begin: int, end: int) -> bool:
    """Whether a stretch is lively enough. Its edges are left out: everything grows loud there, and soft."""
    if end - begin < _SHORTEST:
        return False
    edge = 1 if end - begin <= 8 else 2
    core = [windows[at] for at in range(begin + edge, end - edge) if sounds[at]]
    if len(core) < 4:
        return False
    return (
        _spread([window.level for window in core]) >= _LIVELY_DB
        and _spread([window.middle for window in core]) >= _LIVELY_HZ
        and _percentile([window.flatness for window in core], 0.1) <= _FLATTEST
    )


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _spread(values: Sequence[float]) -> float:
    return _percentile(values, 0.9) - _percentile(values, 0.1)


def _number(measured: Any, name: str, without: float) -> float:
    """A measure of one window; digital silence has no level and no spectrum."""
    try:
        number = float(measured[f"lavfi.{name}"])
    except (KeyError, ValueError):
        return without
    return number if -120.0 <= number < 1e6 else without


def _graph(rate: int, layout: str, sample_format: str) -> Any:
    """One channel at 8 kHz without what lies below a voice, measured in windows of 20 ms."""
    graph = av.filter.Graph()
    last = graph.add_abuffer(sample_rate=rate, layout=layout, format=sample_format)
    window = round(_RATE * WINDOW_SECONDS)
    for name, options in (
        ("aresample", str(_RATE)),
        ("aformat", "sample_fmts=fltp:channel_layouts=mono"),
        ("highpass", "f=200"),
        ("highpass", "f=200"),
        ("asetnsamples", f"n={window}"),
        ("astats", "metadata=1:reset=1:measure_overall=none:measure_perchannel=RMS_level"),
        ("aspectralstats", "win_size=256:overlap=0.375:measure=flatness+centroid"),
    ):
        step = graph.add(name, options)
        last.link_to(step)
        last = step
    last.link_to(graph.add("abuffersink"))
    graph.configure()
    return graph
