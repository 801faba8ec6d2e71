"""The tables. Every row of a conversation carries its whole key (platform, tenant, channel), so that no query can mix
two of them; empty strings stand for "none", because NULLs are never equal and would let doubles through.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

__all__ = [
    "answers",
    "bills",
    "feedback",
    "files",
    "inbox",
    "lines",
    "metadata",
    "notes",
    "posts",
    "room_messages",
    "rooms",
    "settings",
    "summaries",
    "uploads",
    "vectors",
]

metadata = MetaData()


class Moment(TypeDecorator[datetime]):
    """A point in time, always UTC. SQLite forgets the zone, so it is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


def _key() -> list[Column[str]]:
    return [
        Column("platform", String(32), nullable=False),
        Column("tenant", String(128), nullable=False),
        Column("channel", String(512), nullable=False),
    ]


inbox = Table(
    "inbox",
    metadata,
    Column("id", Integer, primary_key=True),
    *_key(),
    Column("event", String(256), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("received_at", Moment, nullable=False),
    Column("body", Text, nullable=False),
    Column("answer", Text),
    Column("person", String(256), nullable=False, server_default=""),
    Column("reserved", BigInteger, nullable=False, server_default="0"),
    Column("direct", Boolean, nullable=False, server_default="0"),
    UniqueConstraint("platform", "tenant", "channel", "event"),
    Index("inbox_undone", "state", "id"),
    Index("inbox_person", "platform", "person", "received_at"),
    Index("inbox_tenant", "platform", "tenant", "received_at"),
)

posts = Table(
    "posts",
    metadata,
    Column("heard", ForeignKey("inbox.id", ondelete="CASCADE"), primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("message_id", String(256), nullable=False),
    Index("posts_message", "message_id"),
)

lines = Table(
    "lines",
    metadata,
    Column("id", Integer, primary_key=True),
    *_key(),
    Column("role", String(16), nullable=False),
    Column("message_id", String(256), nullable=False),
    Column("author_id", String(256), nullable=False),
    Column("author", String(256), nullable=False),
    Column("text", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("complete", Boolean, nullable=False),
    Index("lines_channel", "platform", "tenant", "channel", "id"),
    Index("lines_message", "platform", "tenant", "channel", "message_id"),
)

bills = Table(
    "bills",
    metadata,
    Column("id", Integer, primary_key=True),
    *_key(),
    Column("person", String(256), nullable=False),
    Column("skill", String(64), nullable=False),
    Column("provider", String(64), nullable=False),
    Column("model", String(256), nullable=False),
    Column("role", String(16), nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("pictures", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("at", Moment, nullable=False),
    Column("cached_tokens", Integer, nullable=False, server_default="0"),
    Column("cost", BigInteger),
    Column("direct", Boolean, nullable=False, server_default="0"),
    Index("bills_tenant", "platform", "tenant", "at"),
    Index("bills_person", "platform", "person", "at"),
    Index("bills_at", "at"),
)

# What an answer that was given still offers: its buttons, what its skill kept, and the question, to answer it again.
answers = Table(
    "answers",
    metadata,
    Column("heard", ForeignKey("inbox.id", ondelete="CASCADE"), primary_key=True),
    *_key(),
    Column("person", String(256), nullable=False),
    Column("skill", String(64), nullable=False),
    Column("question", Text, nullable=False),
    Column("buttons", JSON, nullable=False),
    Column("about", JSON),
    Column("at", Moment, nullable=False),
    Index("answers_channel", "platform", "tenant", "channel", "heard"),
    Index("answers_at", "at"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("heard", Integer, primary_key=True),
    Column("person", String(256), primary_key=True),
    *_key(),
    Column("verdict", String(16), nullable=False),
    Column("words", Text, nullable=False),
    Column("at", Moment, nullable=False),
)

# What was said in a channel up to a line, in short.
summaries = Table(
    "summaries",
    metadata,
    *(Column(column.name, column.type, primary_key=True) for column in _key()),
    Column("upto", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", Moment, nullable=False),
)

vectors = Table(
    "vectors",
    metadata,
    Column("line", ForeignKey("lines.id", ondelete="CASCADE"), primary_key=True),
    Column("model", String(256), primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

settings = Table(
    "settings",
    metadata,
    *(Column(column.name, column.type, primary_key=True) for column in _key()),
    Column("skill", String(64), primary_key=True),
    Column("chosen", JSON, nullable=False),
)

# What an adapter has to remember by itself, such as where a Teams conversation is answered: until when, and about whom.
notes = Table(
    "notes",
    metadata,
    Column("platform", String(32), primary_key=True),
    Column("name", String(512), primary_key=True),
    Column("value", JSON, nullable=False),
    Column("tenant", String(128), nullable=False, server_default=""),
    Column("channel", String(512), nullable=False, server_default=""),
    Column("message", String(256), nullable=False, server_default=""),
    Column("until", Moment),
    Index("notes_until", "until"),
)

# Files that wait for a person's word, or are on their way to where that person keeps theirs.
uploads = Table(
    "uploads",
    metadata,
    Column("id", String(64), primary_key=True),
    *_key(),
    Column("person", String(256), nullable=False),
    Column("message", String(256), nullable=False),
    Column("name", String(256), nullable=False),
    Column("media_type", String(128), nullable=False),
    Column("locale", String(64), nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("target", JSON, nullable=False),
    Column("at", Moment, nullable=False),
    Index("uploads_at", "at"),
    Index("uploads_channel", "platform", "tenant", "channel"),
    Index("uploads_person", "platform", "person"),
)

files = Table(
    "files",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(256), nullable=False),
    Column("media_type", String(128), nullable=False),
    Column("alt", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
    Column("heard", ForeignKey("inbox.id", ondelete="CASCADE")),
    Column("kept", Boolean, nullable=False, server_default="0"),
    Index("files_heard", "heard"),
)

rooms = Table(
    "rooms",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("title", String(256), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

room_messages = Table(
    "room_messages",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("room", ForeignKey("rooms.id", ondelete="CASCADE"), nullable=False),
    Column("role", String(16), nullable=False),
    Column("author", String(256), nullable=False),
    Column("text", Text, nullable=False),
    Column("footer", Text, nullable=False),
    Column("files", JSON, nullable=False),
    Column("answers", String(64), nullable=False),
    Column("running", Boolean, nullable=False),
    Column("at", Moment, nullable=False),
    Column("buttons", JSON, nullable=False, server_default="[]"),
    Column("replies", String(64), nullable=False, server_default=""),
    Index("room_messages_room", "room", "seq"),
)
