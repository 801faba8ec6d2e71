"""Discord takes fifty calls a second from one bot: no more are made, and what matters is made first."""

import asyncio
import time

from bot.adapters.discord.pace import FOR_GROWTH, MOST, Pace


async def test_calls_that_matter_wait_for_their_place_and_no_second_sees_too_many() -> None:
    pace, made = Pace(), list[float]()

    async def call() -> None:
        await pace.place()
        made.append(time.monotonic())

    await asyncio.gather(*(call() for _ in range(MOST + 5)))
    assert made[MOST] - made[0] >= 1


async def test_what_only_shows_progress_is_left_out_when_places_are_few() -> None:
    pace = Pace()
    for _ in range(FOR_GROWTH):
        assert pace.spare(FOR_GROWTH)
    assert not pace.spare(FOR_GROWTH)
    await pace.place()  # what matters still finds one
