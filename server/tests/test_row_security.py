"""The second wall, on a real PostgreSQL: what a query finds that forgets whose rows it is for."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Table, delete, func, insert, select, text, update
from sqlalchemy.exc import ProgrammingError
from uuid_utils.compat import uuid7

from chatkeep.chat.generations import add_generation
from chatkeep.chat.messages import Turn, add_message
from chatkeep.chat.records import Generation, State
from chatkeep.chat.sessions import create_session
from chatkeep.chat.tables import chat_sessions, generations, messages
from chatkeep.db import Database, DatabaseUnusable, metadata
from chatkeep.identity import OwnerId
from chatkeep.migrations.schema import downgrade, upgrade
from chatkeep.row_security import EVERYBODY

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TABLES = [chat_sessions, messages, generations]
# Who the database's user may be, as CREATE ROLE says it.
SUPERUSER, CREATOR, PLAIN, BYPASSING = "SUPERUSER", "CREATEROLE", "NOCREATEROLE", "BYPASSRLS"


@pytest.fixture
async def database(request: pytest.FixtureRequest, postgres: Any) -> AsyncIterator[Database]:
    """A database whose user, the owner of its tables, is one of those."""
    kind = getattr(request, "param", SUPERUSER)
    name, user = postgres.create_database(), f"user_{uuid7().hex}"
    postgres.execute(f"CREATE ROLE {user} LOGIN {kind}; ALTER DATABASE {name} OWNER TO {user}")
    database = Database(postgres.url(name).replace("postgres@", f"{user}@"))
    yield database
    await database.aclose()
    postgres.drop_database(name)
    postgres.execute(f"DROP ROLE {user}")


@pytest.fixture
async def filled(database: Database, alice: OwnerId, bob: OwnerId) -> Database:
    """With a session, two messages and a generation of each."""
    await upgrade(database)
    for owner in (alice, bob):
        async with database.writing(owner) as db:
            session = await create_session(db, owner, f"of {owner}", None, NOW)
            question = await add_message(db, owner, session.id, Turn("user", "hello"), NOW)
            answer = await add_message(db, owner, session.id, Turn("assistant", "", question.id, State.RUNNING), NOW)
            generation = Generation(
                str(uuid7()), session.id, question.id, answer.id, State.RUNNING, None, None, NOW, None, "digest"
            )
            await add_generation(db, owner, generation, NOW)
    return database


each_user = pytest.mark.parametrize("database", [SUPERUSER, CREATOR, PLAIN], indirect=True)
each_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


@each_user
async def test_a_query_that_forgets_its_filter_finds_its_owners_rows(filled: Database, alice: OwnerId) -> None:
    for table in TABLES:
        async with filled.reading(alice) as db:
            assert set((await db.execute(select(table.c.owner))).scalars()) == {alice}


async def test_a_change_that_forgets_its_filter_changes_its_owners_rows(filled: Database, alice: OwnerId) -> None:
    async with filled.writing(alice) as db:
        assert (await db.execute(update(chat_sessions).values(title="mine now"))).rowcount == 1
        assert (await db.execute(update(messages).values(content="mine now"))).rowcount == 2
        assert (await db.execute(delete(generations))).rowcount == 1
    async with filled.reading(EVERYBODY) as db:
        titles = set((await db.execute(select(chat_sessions.c.title))).scalars())
        assert len(titles) == 2
        assert (await db.execute(select(func.count()).select_from(generations))).scalar() == 1


async def test_nobodys_transaction_finds_nothing(filled: Database) -> None:
    for table in TABLES:
        async with filled.reading("") as db:
            assert (await db.execute(select(func.count()).select_from(table))).scalar() == 0


@pytest.mark.parametrize("database", [CREATOR, PLAIN], indirect=True)
async def test_a_connection_that_says_nothing_finds_nothing(filled: Database, alice: OwnerId) -> None:
    async with filled.reading(alice) as db:
        await db.execute(select(chat_sessions))
    # The same pooled connection: what the transaction before said has ended with it.
    async with filled.engine.connect() as connection:
        for table in TABLES:
            assert (await connection.execute(select(func.count()).select_from(table))).scalar() == 0


@each_user
async def test_a_row_for_another_owner_is_refused(filled: Database, alice: OwnerId, bob: OwnerId) -> None:
    row = {"id": str(uuid7()), "owner": bob, "created_at": NOW, "updated_at": NOW}
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with filled.writing(alice) as db:
            await db.execute(insert(chat_sessions).values(**row))


@each_table
async def test_a_row_cannot_be_given_to_another_owner(
    filled: Database, table: Table, alice: OwnerId, bob: OwnerId
) -> None:
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with filled.writing(alice) as db:
            await db.execute(update(table).values(owner=bob))


@each_table
async def test_a_row_without_an_owner_cannot_be_adopted(filled: Database, table: Table, alice: OwnerId) -> None:
    async with filled.writing(EVERYBODY) as db:
        await db.execute(update(table).values(owner=""))
    for owner in (alice, ""):
        async with filled.writing(owner) as db:
            assert (await db.execute(update(table).values(owner=alice))).rowcount == 0


@each_user
async def test_background_work_reaches_everybodys_rows(filled: Database, alice: OwnerId, bob: OwnerId) -> None:
    async with filled.writing(EVERYBODY) as db:
        assert set((await db.execute(select(messages.c.owner))).scalars()) == {alice, bob}
        assert (await db.execute(update(messages).values(content="checkpoint"))).rowcount == 4


async def test_deleting_a_session_takes_all_of_it_along(filled: Database, alice: OwnerId) -> None:
    async with filled.writing(alice) as db:
        await db.execute(delete(chat_sessions))
    async with filled.reading(EVERYBODY) as db:
        for table in TABLES:
            assert alice not in (await db.execute(select(table.c.owner))).scalars().all()


async def test_every_table_with_an_owner_is_behind_the_wall(filled: Database) -> None:
    query = text(
        "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity FROM pg_class c JOIN pg_attribute a ON"
        " a.attrelid = c.oid WHERE a.attname = 'owner' AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
    )
    async with filled.reading(EVERYBODY) as db:
        walled = {row[0]: row[1] for row in await db.execute(query)}
    assert walled == {name: True for name, table in metadata.tables.items() if "owner" in table.c}
    assert len(walled) > len(TABLES)


async def test_the_role_neither_signs_in_nor_owns_nor_bypasses(filled: Database, alice: OwnerId) -> None:
    query = text("SELECT rolcanlogin, rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user")
    async with filled.reading(alice) as db:
        assert (await db.execute(text("SELECT current_user"))).scalar() == "chatkeep_rows"
        assert (await db.execute(query)).one() == (False, False, False, False)
        with pytest.raises(ProgrammingError, match="permission denied"):
            await db.execute(text("SELECT 1 FROM authkeep_users"))


async def test_the_wall_comes_down_with_the_schema(filled: Database) -> None:
    await downgrade(filled)
    await upgrade(filled)


@pytest.mark.parametrize("database", [BYPASSING], indirect=True)
async def test_a_user_beyond_the_wall_who_cannot_make_the_role_is_told_how(database: Database, postgres: Any) -> None:
    with pytest.raises(DatabaseUnusable, match=r"CHATKEEP_DATABASE_URL: .*GRANT chatkeep_rows TO") as refused:
        await upgrade(database)
    for statement in str(refused.value).partition("run: ")[2].partition("; or")[0].split("; "):
        postgres.execute(statement)
    await upgrade(database)
    async with database.reading("nobody") as db:
        assert (await db.execute(text("SELECT current_user"))).scalar() == "chatkeep_rows"


@pytest.mark.parametrize("database", [PLAIN], indirect=True)
async def test_a_backup_by_the_databases_user_holds_everybodys_rows(
    filled: Database, postgres: Any, alice: OwnerId, bob: OwnerId
) -> None:
    name, user = filled.engine.url.database, filled.engine.url.username
    dump = [postgres.installation / "bin" / "pg_dump", "-U", user, "-d", name, "--data-only", "-t", "chat_sessions"]
    environ = {"PGHOST": str(postgres.directory)}
    refused = await asyncio.to_thread(subprocess.run, dump, env=environ, capture_output=True, text=True)
    assert "row-level security" in refused.stderr
    environ["PGOPTIONS"] = "-c chatkeep.everybody=on"
    done = await asyncio.to_thread(
        subprocess.run, [*dump, "--enable-row-security"], env=environ, capture_output=True, text=True
    )
    assert alice in done.stdout
    assert bob in done.stdout
