"""A recording, part by part, to a model that listens: several at once, and how far it has come."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bot import SoundPart, Status, Transcript, UserError
from skills.transcribe.lines import clock

__all__ = ["Hearing", "hear", "missing"]

_AT_ONCE = 3
_BAR = 10


@dataclass(slots=True)
class Hearing:
    """What was heard, in the order of the recording, and which parts were not, with the reason."""

    heard: list[tuple[SoundPart, Transcript]] = field(default_factory=list)
    missed: list[tuple[SoundPart, UserError]] = field(default_factory=list)


async def hear(
    parts: Sequence[SoundPart], transcribe: Callable[[SoundPart], Awaitable[Transcript]], hearing: Hearing
) -> AsyncIterator[Status]:
    """Fill `hearing`; meanwhile say how far it is. Raises `UserError` when no part can be heard."""
    limit = asyncio.Semaphore(_AT_ONCE)
    results: list[Transcript | UserError | None] = [None] * len(parts)

    async def one(number: int, part: SoundPart) -> None:
        async with limit:
            failed = [result for result in results if isinstance(result, UserError)]
            if len(failed) >= _AT_ONCE and not any(isinstance(result, Transcript) for result in results):
                results[number] = failed[0]  # it will not be any better with the others
                return
            try:
                results[number] = await transcribe(part)
            except UserError as error:
                results[number] = error

    tasks = [asyncio.create_task(one(number, part)) for number, part in enumerate(parts)]
    try:
        pending = set(tasks)
        while pending:
            finished, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                task.result()
            if pending:
                yield Status(_bar(1 - len(pending) / len(tasks)))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for part, result in zip(parts, results, strict=True):
        if isinstance(result, UserError):
            hearing.missed.append((part, result))
        elif result is not None and result.text.strip():
            hearing.heard.append((part, result))
    if len(hearing.missed) == len(parts):
        raise hearing.missed[0][1]


def missing(hearing: Hearing) -> list[str]:
    """What was not heard and why, each reason once."""
    by_reason: dict[str, list[SoundPart]] = {}
    for part, why in hearing.missed:
        by_reason.setdefault(str(why), []).append(part)
    return [
        f"not heard: {', '.join(f'{clock(part.start)} to {clock(part.end)}' for part in parts)}: {why}"
        for why, parts in by_reason.items()
    ]


def _bar(share: float) -> str:
    full = round(share * _BAR)
    return f"Listening… {'▓' * full}{'░' * (_BAR - full)} {share:.0%}"
