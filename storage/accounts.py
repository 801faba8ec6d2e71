"""What was asked and spent of late: read once for each person and community, then kept count of in memory."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from storage.records import Used
from storage.shelf import Shelf
from storage.tables import bills, inbox

__all__ = ["Accounts"]

_TURNS = ("running", "answered", "done", "failed")  # what was begun; the others were told to wait, or wait still


def _turns(*which: Any) -> Any:
    return (
        select(inbox.c.received_at)
        .where(
            inbox.c.platform == bindparam("platform"),
            *which,
            inbox.c.received_at >= bindparam("since"),
            inbox.c.state.in_(_TURNS),
        )
        .order_by(inbox.c.received_at.desc())
        .limit(bindparam("most"))
    )


def _used(*which: Any) -> Any:
    """Hour by hour."""
    return (
        select(
            func.max(bills.c.at, type_=bills.c.at.type),
            func.sum(bills.c.pictures),
            func.sum(bills.c.seconds),
            func.coalesce(func.sum(bills.c.cost), 0),
        )
        .where(*which, bills.c.at >= bindparam("day"))
        .group_by(func.strftime("%Y-%m-%d %H", bills.c.at))
        .order_by(func.max(bills.c.at))
    )


# Built once: many people may be met for the first time in the same moment.
_TURNS_OF = _turns(inbox.c.person == bindparam("person"))
_USED_BY = _used(bills.c.platform == bindparam("platform"), bills.c.person == bindparam("person"))
_TURNS_IN = _turns(inbox.c.tenant == bindparam("tenant"), ~inbox.c.direct)
_USED_IN = _used(bills.c.platform == bindparam("platform"), bills.c.tenant == bindparam("tenant"), ~bills.c.direct)
_USED_BY_ALL = _used()

_Lately = tuple[list[datetime], list[Used]]


class Accounts(Shelf):
    """The part of the store that quotas and budgets ask."""

    async def lately_of(self, platform: str, person: str, since: datetime, most: int) -> _Lately:
        """When a person's newest questions came that were answered since then, at most so many, the oldest first; and
        what their turns have used since then, hour by hour.
        """
        given = {"platform": platform, "person": person, "since": since, "day": since, "most": most}
        return await self._lately(_TURNS_OF, _USED_BY, given)

    async def lately_in(self, platform: str, tenant: str, since: datetime, day: datetime, most: int) -> _Lately:
        """The same for a community: questions since one moment, use since another. What was asked in private is
        nobody's but the person's.
        """
        given = {"platform": platform, "tenant": tenant, "since": since, "day": day, "most": most}
        return await self._lately(_TURNS_IN, _USED_IN, given)

    async def used_by_all(self, since: datetime) -> list[Used]:
        """What all turns have used since then, hour by hour."""

        def work(connection: Connection) -> list[Used]:
            return [Used(*row) for row in connection.execute(_USED_BY_ALL, {"day": since})]

        return await self.database.read(work)

    async def _lately(self, turns: Any, used: Any, given: dict[str, Any]) -> _Lately:
        def work(connection: Connection) -> _Lately:
            came = list(connection.execute(turns, given).scalars())[::-1]
            return came, [Used(*row) for row in connection.execute(used, given)]

        return await self.database.read(work)
