"""The words of every finished message, kept by triggers: whoever writes a message, it can be found.

SQLite has them in an FTS5 index that keeps no text of its own; PostgreSQL as a tsvector with a GIN index. Both also
hold the owner as a word, so that a search costs what its owner has, and not what all have together.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004_search"
down_revision = "0003_streams"
branch_labels = None
depends_on = None

# More of a message is not searched: a tsvector holds a megabyte at most, and refuses the message beyond it.
_CHARACTERS = 100_000
_UNFINISHED = "('queued', 'running')"

# Accents go, as in FTS5, and punctuation, in which PostgreSQL's parser would see hosts, paths and signs.
_POSTGRESQL_WORDS = rf"""
    array_to_tsvector(ARRAY['owner:' || {{row}}.owner]) || to_tsvector('simple', translate(
        regexp_replace(left(normalize({{row}}.content, NFKD), {_CHARACTERS}), '[\u0300-\u036f]', '', 'g'),
        '!"#$%&''()*+,-./:;<=>?@[\]^_`{{{{|}}}}~', repeat(' ', 32)))
"""
_POSTGRESQL = (
    f"""
    CREATE FUNCTION index_message() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO message_words (message_id, words) VALUES (NEW.id, {_POSTGRESQL_WORDS.format(row="NEW")})
        ON CONFLICT (message_id) DO UPDATE SET words = excluded.words;
        RETURN NULL;
    END $$
    """,
    f"""
    CREATE TRIGGER index_message AFTER INSERT OR UPDATE OF owner, content, status ON messages
    FOR EACH ROW WHEN (NEW.status NOT IN {_UNFINISHED}) EXECUTE FUNCTION index_message()
    """,
    f"""
    INSERT INTO message_words (message_id, words) SELECT id, {_POSTGRESQL_WORDS.format(row="messages")}
    FROM messages WHERE status NOT IN {_UNFINISHED}
    """,
)

# An index without content forgets a row when it is told what was in it.
_SQLITE_WORDS = f"replace({{row}}.owner, '-', ''), substr({{row}}.content, 1, {_CHARACTERS})"
_SQLITE_FORGET = f"""
    INSERT INTO message_index (message_index, rowid, owner, content)
    SELECT 'delete', id, {_SQLITE_WORDS.format(row="old")} FROM message_words WHERE message_id = old.id;
"""
_SQLITE_ADD = f"""
    INSERT INTO message_words (message_id) SELECT new.id WHERE new.status NOT IN {_UNFINISHED};
    INSERT INTO message_index (rowid, owner, content)
    SELECT id, {_SQLITE_WORDS.format(row="new")} FROM message_words WHERE message_id = new.id;
"""
_SQLITE = (
    """
    CREATE VIRTUAL TABLE message_index
    USING fts5(owner, content, content='', tokenize="unicode61 remove_diacritics 2")
    """,
    f"CREATE TRIGGER index_message AFTER INSERT ON messages BEGIN {_SQLITE_ADD} END",
    f"""
    CREATE TRIGGER reindex_message AFTER UPDATE OF owner, content, status ON messages
    WHEN old.status NOT IN {_UNFINISHED} OR new.status NOT IN {_UNFINISHED}
    BEGIN {_SQLITE_FORGET} DELETE FROM message_words WHERE message_id = old.id; {_SQLITE_ADD} END
    """,
    f"CREATE TRIGGER forget_message BEFORE DELETE ON messages BEGIN {_SQLITE_FORGET} END",
    f"INSERT INTO message_words (message_id) SELECT id FROM messages WHERE status NOT IN {_UNFINISHED}",
    f"""
    INSERT INTO message_index (rowid, owner, content) SELECT message_words.id, {_SQLITE_WORDS.format(row="messages")}
    FROM messages JOIN message_words ON message_words.message_id = messages.id
    """,
)


def upgrade() -> None:
    op.create_table(
        "message_words",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(), nullable=False),
        sa.Column("message_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("words", postgresql.TSVECTOR().with_variant(sa.Text(), "sqlite")),
        sa.PrimaryKeyConstraint("id", name="pk_message_words"),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name="fk_message_words_message_id", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("message_id", name="uq_message_words_message_id"),
    )
    op.create_index(
        "ix_message_words_words",
        "message_words",
        ["words"],
        postgresql_using="gin",
        sqlite_where=sa.text("words IS NOT NULL"),
    )
    _run(_POSTGRESQL, _SQLITE)


def downgrade() -> None:
    _run(
        ("DROP TRIGGER index_message ON messages", "DROP FUNCTION index_message"),
        (
            *(f"DROP TRIGGER {name}" for name in ("index_message", "reindex_message", "forget_message")),
            "DROP TABLE message_index",
        ),
    )
    op.drop_table("message_words")


def _run(on_postgresql: tuple[str, ...], on_sqlite: tuple[str, ...]) -> None:
    for statement in on_postgresql if op.get_context().dialect.name == "postgresql" else on_sqlite:
        op.get_bind().exec_driver_sql(statement)
