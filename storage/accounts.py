"""What was asked and spent of late: read once for each person and community, then kept count of in memory."""

from datetime import datetime

from sqlalchemy import Connection, func, select

from storage.records import Used
from storage.shelf import Shelf
from storage.tables import bills, inbox

__all__ = ["Accounts"]

_TURNS = ("running", "answered", "done", "failed")  # what was begun; the others were told to wait, or wait still


class Accounts(Shelf):
    """The part of the store that quotas and budgets ask."""

    async def turns_of(self, platform: str, person: str, since: datetime, most: int) -> list[datetime]:
        """When a person's newest questions came that were answered since then, at most so many, the oldest first."""
        statement = (
            select(inbox.c.received_at)
            .where(
                inbox.c.platform == platform,
                inbox.c.person == person,
                inbox.c.received_at >= since,
                inbox.c.state.in_(_TURNS),
            )
            .order_by(inbox.c.received_at.desc())
            .limit(most)
        )

        def work(connection: Connection) -> list[datetime]:
            return list(connection.execute(statement).scalars())[::-1]

        return await self.database.read(work)

    async def turns_in(self, platform: str, tenant: str, since: datetime, most: int) -> list[datetime]:
        """The same for a community; what was asked in private is nobody's but the person's."""
        statement = (
            select(inbox.c.received_at)
            .where(
                inbox.c.platform == platform,
                inbox.c.tenant == tenant,
                inbox.c.received_at >= since,
                ~inbox.c.direct,
                inbox.c.state.in_(_TURNS),
            )
            .order_by(inbox.c.received_at.desc())
            .limit(most)
        )

        def work(connection: Connection) -> list[datetime]:
            return list(connection.execute(statement).scalars())[::-1]

        return await self.database.read(work)

    async def used_by(self, platform: str, person: str, since: datetime) -> list[Used]:
        """What a person's turns have used since then, hour by hour."""
        return await self._used(since, bills.c.platform == platform, bills.c.person == person)

    async def used_in(self, platform: str, tenant: str, since: datetime) -> list[Used]:
        """What a community's turns have used since then, hour by hour."""
        return await self._used(since, bills.c.platform == platform, bills.c.tenant == tenant, ~bills.c.direct)

    async def used_by_all(self, since: datetime) -> list[Used]:
        """What all turns have used since then, hour by hour."""
        return await self._used(since)

    async def _used(self, since: datetime, *which: object) -> list[Used]:
        statement = (
            select(
                func.max(bills.c.at, type_=bills.c.at.type),
                func.sum(bills.c.pictures),
                func.sum(bills.c.seconds),
                func.coalesce(func.sum(bills.c.cost), 0),
            )
            .where(*which, bills.c.at >= since)  # type: ignore[arg-type]
            .group_by(func.strftime("%Y-%m-%d %H", bills.c.at))
            .order_by(func.max(bills.c.at))
        )

        def work(connection: Connection) -> list[Used]:
            return [Used(*row) for row in connection.execute(statement)]

        return await self.database.read(work)
