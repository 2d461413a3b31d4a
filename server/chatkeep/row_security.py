"""PostgreSQL's row-level security: the second wall behind the filters by owner.

A transaction says whose rows it is for, and the database shows it no others: a query that forgets its filter finds its
owner's rows, and one in a transaction that said nothing finds none. The policies hold for the tables' owner too
(FORCE). Superusers and roles with BYPASSRLS are beyond policies, so there the transaction takes a role that is neither.
"""

from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection


class Everybody:
    """Whose rows background work is for: recovery, checkpoints, migrations."""


EVERYBODY: Final = Everybody()

_ROLE = "chatkeep_rows"
_SETTING = "NULLIF((SELECT current_setting('chatkeep.owner', true)), '')"
_IS_EVERYBODY = "(SELECT current_setting('chatkeep.everybody', true)) = 'on'"

# Local to the transaction, and one round trip: `role` set this way is SET LOCAL ROLE.
_ACT = text(
    "SELECT set_config('chatkeep.owner', :owner, true), set_config('chatkeep.everybody', :everybody, true),"
    " set_config('role', :role, true)"
)
_ME = text(
    "SELECT me.rolname, me.rolsuper, me.rolcreaterole, me.rolsuper OR me.rolbypassrls AS bypasses,"
    " rows.oid IS NOT NULL AS there, coalesce(pg_has_role(me.oid, rows.oid, 'MEMBER'), false) AS may_act"
    " FROM pg_roles me LEFT JOIN pg_roles rows ON rows.rolname = :role WHERE me.rolname = current_user"
)


class NoRoleForRows(Exception):
    """The database's user bypasses row-level security, and there is no role for it to take; the message helps."""

    def __init__(self, user: str, *, role_exists: bool) -> None:
        create = "" if role_exists else f"CREATE ROLE {_ROLE} NOLOGIN; "
        super().__init__(
            f"the user {user} bypasses row-level security, and may not take the role {_ROLE}, which does not. "
            f'As the database\'s administrator, run: {create}GRANT {_ROLE} TO "{user}"; '
            f'or instead: ALTER ROLE "{user}" NOBYPASSRLS'
        )


def guard(table: str) -> list[str]:
    """The statements that put a table with an `owner` behind the wall; for migrations."""
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY owner_only ON {table} USING (owner = {_SETTING}) WITH CHECK (owner = {_SETTING})",
        f"CREATE POLICY everybody ON {table} USING ({_IS_EVERYBODY}) WITH CHECK ({_IS_EVERYBODY})",
    ]


def unguard(table: str) -> list[str]:
    """Undoes `guard`."""
    return [
        f"DROP POLICY everybody ON {table}",
        f"DROP POLICY owner_only ON {table}",
        f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    ]


def guard_shared(
    table: str, *, seen: str = "false", added: str = "false", changed: str = "false", deleted: str | None = None
) -> list[str]:
    """As `guard`, for a table whose rows others than an owner may see or write. Each condition is SQL about a row, in
    which `{me}` is whose transaction it is; nobody's, it is NULL. A row that is changed or deleted has to be seen, too.
    Whoever may change one may delete it, unless `deleted` says otherwise.
    """
    me = f"({_SETTING})"
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY everybody ON {table} USING ({_IS_EVERYBODY}) WITH CHECK ({_IS_EVERYBODY})",
        f"CREATE POLICY seen ON {table} FOR SELECT USING ({seen.format(me=me)})",
        f"CREATE POLICY added ON {table} FOR INSERT WITH CHECK ({added.format(me=me)})",
        f"CREATE POLICY changed ON {table} FOR UPDATE USING ({changed.format(me=me)})",
        f"CREATE POLICY deleted ON {table} FOR DELETE USING ({(deleted or changed).format(me=me)})",
    ]


def provide_role(connection: Connection, tables: list[str]) -> None:
    """Make the role where the database's user may, and let it at `tables`. Every start does: a restored backup has the
    policies, and another server may not have the role.

    Raises:
        NoRoleForRows: policies do not hold for this user, and somebody else must make the role.
    """
    me = connection.execute(_ME, {"role": _ROLE}).one()
    if not me.there and (me.rolsuper or me.rolcreaterole):
        # Roles belong to the whole server: another database's chatkeep may make it at the same moment.
        connection.execute(
            text(
                f"DO $$ BEGIN CREATE ROLE {_ROLE} NOLOGIN; GRANT {_ROLE} TO CURRENT_USER;"
                " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
            )
        )
        me = connection.execute(_ME, {"role": _ROLE}).one()
    if me.may_act:
        connection.execute(
            text(f"DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO {_ROLE}', current_schema()); END $$")
        )
        connection.execute(text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(tables)} TO {_ROLE}"))
    elif me.bypasses:
        raise NoRoleForRows(me.rolname, role_exists=me.there)


class RowSecurity:
    """Tells PostgreSQL whose rows a transaction is for. Knows after the first one which role to take."""

    def __init__(self) -> None:
        self._role: str | None = None

    async def act(self, connection: AsyncConnection, owner: str | Everybody) -> None:
        """Begin a transaction with this.

        Raises:
            NoRoleForRows: nothing would be held back.
        """
        if isinstance(owner, Everybody):
            await connection.execute(_ACT, {"owner": "", "everybody": "on", "role": "none"})
            return
        if self._role is None:
            self._role = _role_for((await connection.execute(_ME, {"role": _ROLE})).one())
        await connection.execute(_ACT, {"owner": owner, "everybody": "", "role": self._role})


def _role_for(me: Any) -> str:
    if not me.may_act and me.bypasses:
        raise NoRoleForRows(me.rolname, role_exists=me.there)
    return _ROLE if me.may_act else "none"
