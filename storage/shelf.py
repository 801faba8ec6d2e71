"""What is kept beside conversations: the choices of moderators, the notes of adapters, files."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from storage.engine import Database
from storage.prepared import Prepared
from storage.records import File
from storage.tables import files, notes, settings

__all__ = ["Shelf"]

_RECENT_SETTINGS = 5000  # kept in memory
_NEW_NOTE = upsert(notes)
_KEPT = ("value", "tenant", "channel", "message", "until")  # of a note
_NOTE = Prepared(
    _NEW_NOTE.on_conflict_do_update(
        index_elements=["platform", "name"], set_={column: _NEW_NOTE.excluded[column] for column in _KEPT}
    ),
    *("platform", "name", *_KEPT),
)


class Shelf:
    """The part of the store that has nothing to do with turns."""

    def __init__(self, database: Database) -> None:
        self.database = database
        # This process is the only one that writes, so what it read or wrote last is what is there.
        self._chosen: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = {}
        self._changes = 0
        self._noting: dict[tuple[str, str], dict[str, Any]] = {}  # on its way into the database
        self.notes_erased = 0  # how often notes went that nobody had taken away by name

    # What moderators have chosen, for a channel or (channel "") for a whole community.

    async def chosen(self, key: tuple[str, str, str], skill: str) -> dict[str, Any]:
        """A skill's settings here: the channel's own over its community's."""
        known = self._chosen.get(key)
        if known is None:
            known = await self._read_chosen(key)
        return known.get(skill, {})

    async def _read_chosen(self, key: tuple[str, str, str]) -> dict[str, dict[str, Any]]:
        """The settings of every skill here, with one look at the database."""
        statement = (
            select(settings.c.skill, settings.c.chosen)
            .where(
                settings.c.platform == key[0],
                settings.c.tenant == key[1],
                settings.c.channel.in_(("", key[2])),
            )
            .order_by(settings.c.channel)  # the community's first
        )

        def work(connection: Connection) -> dict[str, dict[str, Any]]:
            found: dict[str, dict[str, Any]] = {}
            for row in connection.execute(statement):
                found[row.skill] = {**found.get(row.skill, {}), **row.chosen}
            return found

        changes = self._changes
        chosen = await self.database.read(work)
        if changes == self._changes:  # nothing was chosen while it was read
            if len(self._chosen) >= _RECENT_SETTINGS:
                self._chosen.clear()
            self._chosen[key] = chosen
        return chosen

    async def chosen_at(self, key: tuple[str, str, str], skill: str) -> dict[str, Any]:
        """What was chosen for exactly this channel, or with an empty channel for exactly this community."""
        statement = select(settings.c.chosen).where(
            settings.c.platform == key[0],
            settings.c.tenant == key[1],
            settings.c.channel == key[2],
            settings.c.skill == skill,
        )

        def work(connection: Connection) -> dict[str, Any]:
            return connection.execute(statement).scalar_one_or_none() or {}

        return await self.database.read(work)

    async def choices_at(self, key: tuple[str, str, str]) -> dict[str, dict[str, Any]]:
        """The same for every skill, by its name."""
        statement = select(settings.c.skill, settings.c.chosen).where(
            settings.c.platform == key[0], settings.c.tenant == key[1], settings.c.channel == key[2]
        )

        def work(connection: Connection) -> dict[str, dict[str, Any]]:
            return {row.skill: row.chosen for row in connection.execute(statement)}

        return await self.database.read(work)

    async def choose(self, key: tuple[str, str, str], skill: str, chosen: dict[str, Any]) -> None:
        """Set a skill's settings for a channel, or with an empty channel for the whole community."""

        def work(connection: Connection) -> None:
            connection.execute(
                upsert(settings)
                .values(platform=key[0], tenant=key[1], channel=key[2], skill=skill, chosen=chosen)
                .on_conflict_do_update(
                    index_elements=["platform", "tenant", "channel", "skill"], set_={"chosen": chosen}
                )
            )

        await self.database.write(work)
        self.forget_choices()

    async def change(
        self, key: tuple[str, str, str], skill: str, chosen: dict[str, Any], reset: Collection[str] = ()
    ) -> None:
        """Set some of a skill's settings, and take back those in `reset`; the others stay as they are."""
        which = (
            settings.c.platform == key[0],
            settings.c.tenant == key[1],
            settings.c.channel == key[2],
            settings.c.skill == skill,
        )

        def work(connection: Connection) -> None:
            before = connection.execute(select(settings.c.chosen).where(*which)).scalar_one_or_none() or {}
            after = {name: value for name, value in before.items() if name not in reset} | chosen
            connection.execute(delete(settings).where(*which))
            if after:
                row = dict(zip(("platform", "tenant", "channel"), key, strict=True))
                connection.execute(insert(settings).values(**row, skill=skill, chosen=after))

        await self.database.write(work)
        self.forget_choices()

    def forget_choices(self) -> None:
        """What was chosen is read again."""
        self._changes += 1
        self._chosen.clear()

    # What adapters remember for themselves.

    async def note(
        self,
        platform: str,
        name: str,
        value: dict[str, Any],
        *,
        days: float | None = None,
        tenant: str = "",
        channel: str = "",
        message: str = "",
        soon: bool = False,
    ) -> None:
        """Keep `value` under (platform, name), replacing what was there; for so many `days`, or for good.

        With `soon`, it is kept before whatever is written after it, and until then a crash may lose it. It goes with
        its community (`tenant`) too, and with the person whose own `channel` it is about, or to whom the bot's
        `message` there was an answer.
        """
        kept = {
            "value": value,
            "tenant": tenant,
            "channel": channel,
            "message": message,
            "until": None if days is None else datetime.now(UTC) + timedelta(days=days),
        }

        def work(connection: Connection) -> None:
            _NOTE.run(connection, {"platform": platform, "name": name, **kept})

        which = (platform, name)
        self._noting.pop(which, None)
        if not soon:
            await self.database.write(work)
            return
        self._noting[which] = value
        written = self.database.write_soon(work)
        written.add_done_callback(lambda _: self._noting.get(which) is value and self._noting.pop(which))

    async def noted(self, platform: str, name: str) -> dict[str, Any] | None:
        """What was kept under (platform, name), or None."""
        if (platform, name) in self._noting:
            return self._noting[platform, name]

        def work(connection: Connection) -> dict[str, Any] | None:
            found: dict[str, Any] | None = (
                connection.execute(select(notes.c.value).where(notes.c.platform == platform, notes.c.name == name))
            ).scalar_one_or_none()
            return found

        return await self.database.read(work)

    async def unnote(self, platform: str, name: str) -> None:
        """Keep nothing under (platform, name) any more."""

        def work(connection: Connection) -> None:
            connection.execute(delete(notes).where(notes.c.platform == platform, notes.c.name == name))

        self._noting.pop((platform, name), None)
        await self.database.write(work)

    async def notes_from(self, platform: str, beginning: str, most: int) -> dict[str, dict[str, Any]]:
        """What was kept under names that begin so, by name; of so many at most."""
        statement = (
            select(notes.c.name, notes.c.value)
            .where(notes.c.platform == platform, notes.c.name >= beginning, notes.c.name < f"{beginning}\U0010ffff")
            .limit(most)
        )

        def work(connection: Connection) -> dict[str, dict[str, Any]]:
            return {row.name: row.value for row in connection.execute(statement)}

        return await self.database.read(work)

    # Files.

    async def file(self, file_id: str) -> File | None:
        """A stored file, or None."""

        def work(connection: Connection) -> File | None:
            row = (
                connection.execute(
                    select(files.c.id, files.c.name, files.c.media_type, files.c.data, files.c.alt).where(
                        files.c.id == file_id
                    )
                )
            ).one_or_none()
            return File(*row) if row else None

        return await self.database.read(work)
