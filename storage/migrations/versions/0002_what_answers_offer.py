"""What an answer still offers, feedback, prices, reservations, summaries, vectors, uploads, and how long notes last."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _key(*, primary: bool = False) -> list[sa.Column[str]]:
    return [
        sa.Column("platform", sa.String(length=32), nullable=False, primary_key=primary),
        sa.Column("tenant", sa.String(length=128), nullable=False, primary_key=primary),
        sa.Column("channel", sa.String(length=512), nullable=False, primary_key=primary),
    ]


def upgrade() -> None:
    op.add_column("inbox", sa.Column("person", sa.String(length=256), nullable=False, server_default=""))
    op.add_column("inbox", sa.Column("reserved", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("inbox", sa.Column("direct", sa.Boolean(), nullable=False, server_default="0"))
    op.create_index("inbox_person", "inbox", ["platform", "person", "received_at"], unique=False)
    op.create_index("inbox_tenant", "inbox", ["platform", "tenant", "received_at"], unique=False)
    op.add_column("bills", sa.Column("cached_tokens", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("bills", sa.Column("cost", sa.BigInteger(), nullable=True))
    op.add_column("bills", sa.Column("direct", sa.Boolean(), nullable=False, server_default="0"))
    op.create_index("bills_person", "bills", ["platform", "person", "at"], unique=False)
    op.create_index("bills_at", "bills", ["at"], unique=False)
    op.add_column("files", sa.Column("kept", sa.Boolean(), nullable=False, server_default="0"))
    op.add_column("room_messages", sa.Column("buttons", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("room_messages", sa.Column("replies", sa.String(length=64), nullable=False, server_default=""))
    op.create_table(
        "answers",
        sa.Column("heard", sa.Integer(), sa.ForeignKey("inbox.id", ondelete="CASCADE"), primary_key=True),
        *_key(),
        sa.Column("person", sa.String(length=256), nullable=False),
        sa.Column("skill", sa.String(length=64), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("buttons", sa.JSON(), nullable=False),
        sa.Column("about", sa.JSON(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("answers_channel", "answers", ["platform", "tenant", "channel", "heard"], unique=False)
    op.create_index("answers_at", "answers", ["at"], unique=False)
    op.create_table(
        "feedback",
        sa.Column("heard", sa.Integer(), primary_key=True),
        sa.Column("person", sa.String(length=256), primary_key=True),
        *_key(),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "summaries",
        *_key(primary=True),
        sa.Column("upto", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "vectors",
        sa.Column("line", sa.Integer(), sa.ForeignKey("lines.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("model", sa.String(length=256), primary_key=True),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
    )
    for name, length in (("tenant", 128), ("channel", 512), ("message", 256)):
        op.add_column("notes", sa.Column(name, sa.String(length=length), nullable=False, server_default=""))
    op.add_column("notes", sa.Column("until", sa.DateTime(timezone=True), nullable=True))
    op.create_index("notes_until", "notes", ["until"], unique=False)
    # What Teams' adapter noted before says not for how long: what is about messages goes with them.
    for days, names in ((40, ("files", "place", "origin")), (400, ("conversation", "team"))):
        for name in names:
            op.execute(
                f"UPDATE notes SET until = strftime('%Y-%m-%d %H:%M:%S.000000', 'now', '+{days} days') "  # noqa: S608
                f"WHERE platform = 'teams' AND name LIKE '{name} %'"
            )
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(length=64), primary_key=True),
        *_key(),
        sa.Column("person", sa.String(length=256), nullable=False),
        sa.Column("message", sa.String(length=256), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("media_type", sa.String(length=128), nullable=False),
        sa.Column("locale", sa.String(length=64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("target", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("uploads_at", "uploads", ["at"], unique=False)
    op.create_index("uploads_channel", "uploads", ["platform", "tenant", "channel"], unique=False)
    op.create_index("uploads_person", "uploads", ["platform", "person"], unique=False)
    # What was made of a line goes when the line goes or changes, whoever did it and why.
    op.execute(
        "CREATE TRIGGER summaries_deleted AFTER DELETE ON lines BEGIN DELETE FROM summaries WHERE "
        "platform = old.platform AND tenant = old.tenant AND channel = old.channel AND upto >= old.id; END"
    )
    op.execute(
        "CREATE TRIGGER summaries_changed AFTER UPDATE OF text ON lines WHEN old.text <> new.text BEGIN "
        "DELETE FROM summaries WHERE "
        "platform = old.platform AND tenant = old.tenant AND channel = old.channel AND upto >= old.id; "
        "DELETE FROM vectors WHERE line = old.id; END"
    )


def downgrade() -> None:
    raise RuntimeError("Put a backup from before the upgrade in place of the database.")
