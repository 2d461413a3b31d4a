"""Bringing an older application's users over."""

from collections.abc import AsyncIterator

import bcrypt
import httpx
import pytest

from authkeep import Auth, Role
from authkeep.import_users import ForeignUser, import_users
from authkeep.testing import signed_in

OLD_HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


def foreign(user_id: str, email: str, password_hash: str | None = OLD_HASH, **more: object) -> ForeignUser:
    return ForeignUser(user_id, email, password_hash, **more)  # type: ignore[arg-type]


async def test_an_imported_user_signs_in_with_the_old_password_and_keeps_the_id(
    auth_on: Auth, client_on: httpx.AsyncClient
) -> None:
    report = await import_users(auth_on, [foreign("user_123", "Ada@Example.com", email_verified=True)])
    assert (report.added, report.rejected) == (1, [])
    answer = await client_on.post("/auth/login", json={"email": "ada@example.com", "password": "secret"})
    assert (answer.status_code, answer.json()["user"]["id"]) == (200, "user_123")


async def test_importing_again_leaves_alone_who_is_here(auth_on: Auth) -> None:
    users = [foreign("1", "ada@example.com"), foreign("2", "bob@example.com", None)]
    await import_users(auth_on, users)
    await auth_on.administration.change_user(None, "2", disabled=True)
    report = await import_users(auth_on, [*users, foreign("3", "eve@example.com")])
    assert (report.added, report.already_here, report.rejected) == (1, 2, [])
    bob = await auth_on.store.find_user("2")
    assert bob is not None
    assert bob.disabled


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        (foreign("2", "ADA@example.com"), "another account"),
        (foreign("2", "\uff41da@example.com"), "another account"),
        (foreign("1", "somebody-else@example.com"), "another account"),
        (foreign("2", "no address"), "not an e-mail address"),
        (foreign("2", "a\x00b@example.com"), "not an e-mail address"),
        (foreign("x" * 37, "eve@example.com"), "36"),
        (foreign("../2", "eve@example.com"), "36"),
        (foreign("2", "eve@example.com", "5f4dcc3b5aa765d61d8327deb882cf99"), "bcrypt"),
        (foreign("2", "eve@example.com", "$2b$31$" + "a" * 53), "cost"),
        (foreign("2", "eve@example.com", name="a\u202eb"), "name"),
    ],
)
async def test_who_cannot_come_is_told_of_and_stops_nobody(auth: Auth, user: ForeignUser, reason: str) -> None:
    users = [foreign("1", "ada@example.com"), user, foreign("9", "zoe@example.com")]
    report = await import_users(auth, users)
    assert report.added == 2
    ((user_id, told),) = report.rejected
    assert user_id == user.id
    assert reason in told
    assert "$2b$" not in told.replace("($2a$, $2b$, $2y$", "")


async def test_being_imported_first_makes_nobody_an_admin(auth_on: Auth) -> None:
    await import_users(auth_on, [foreign("1", "ada@example.com"), foreign("2", "root@example.com", role=Role.ADMIN)])
    newcomer = await auth_on.accounts.register("new@example.com", "seven purple kettles sing")
    roles = [user.role for key in "12" if (user := await auth_on.store.find_user(key))]
    assert [*roles, newcomer.role] == [Role.USER, Role.ADMIN, Role.USER]


async def test_an_admin_reaches_imported_users_by_the_ids_they_came_with(
    auth_on: Auth, client_on: httpx.AsyncClient
) -> None:
    admin = await signed_in(auth_on, role=Role.ADMIN)
    await import_users(auth_on, [foreign(f"user_{n}", f"person{n}@example.com") for n in range(5)])
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = (await client_on.get("/admin/users", params=query, headers=admin.headers)).json()
        seen += [user["id"] for user in page["items"]]
        cursor = page["next_cursor"]
    assert {f"user_{n}" for n in range(5)} < set(seen)
    answer = await client_on.patch("/admin/users/user_3", json={"disabled": True}, headers=admin.headers)
    assert (answer.status_code, answer.json()["disabled"]) == (200, True)
    trail = await client_on.get("/admin/audit", params={"user_id": "user_3"}, headers=admin.headers)
    assert {event["subject_id"] for event in trail.json()["items"]} == {"user_3"}
    assert (await client_on.delete("/admin/users/user_3", headers=admin.headers)).status_code == 204


async def test_a_stream_of_users_comes_over_as_well(auth: Auth) -> None:
    async def rows() -> AsyncIterator[ForeignUser]:
        for n in range(3):
            yield foreign(str(n), f"person{n}@example.com")

    assert (await import_users(auth, rows())).added == 3
