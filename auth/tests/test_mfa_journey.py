"""What a person does with second factors, over HTTP and on every store."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from authkeep import Auth, Device, Role
from authkeep.store import AuditAction, AuditFilter
from authkeep.testing import (
    FrozenClock,
    SoftwareAuthenticator,
    add_passkey,
    add_totp,
    authenticator_code,
    signed_in,
)

STEP = timedelta(seconds=30)
ORIGIN = "http://localhost:8000"


class Person:
    """Somebody with a client, who keeps what they were given."""

    def __init__(self, http: httpx.AsyncClient, password: str) -> None:
        self.http = http
        self.credentials = {"email": "alice@example.com", "password": password}
        self.token = ""

    async def ask(self, method: str, path: str, body: Any = None, *, expect: int = 200) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = await self.http.request(method, f"/auth{path}", json=body, headers=headers)
        assert answer.status_code == expect, answer.text
        return answer.json() if answer.content else None

    async def register(self) -> None:
        await self.ask("POST", "/register", self.credentials, expect=201)
        self.token = (await self.ask("POST", "/login", self.credentials))["access_token"]

    async def first_step(self) -> dict[str, Any]:
        self.token = ""
        asked = await self.ask("POST", "/login", self.credentials)
        assert asked["mfa_required"] is True
        return dict(asked)

    async def second_step(self, asked: dict[str, Any], **proof: Any) -> None:
        tokens = await self.ask("POST", "/login/mfa", {"mfa_token": asked["mfa_token"], **proof})
        self.token = tokens["access_token"]

    async def add_totp(self, clock: FrozenClock) -> tuple[str, list[str]]:
        secret = (await self.ask("POST", "/mfa/totp"))["secret"]
        code = authenticator_code(secret, clock.seconds())
        codes = (await self.ask("POST", "/mfa/totp/confirm", {"code": code}))["recovery_codes"]
        clock.advance(STEP)
        return secret, codes

    async def add_passkey(self, authenticator: SoftwareAuthenticator, name: str = "") -> dict[str, Any]:
        asked = await self.ask("POST", "/passkeys/options")
        answer = {"ticket": asked["ticket"], "name": name, "credential": authenticator.create(asked["options"])}
        return dict(await self.ask("POST", "/passkeys", answer, expect=201))


@pytest.fixture
async def person(client_on: httpx.AsyncClient, password: str) -> Person:
    person = Person(client_on, password)
    await person.register()
    return person


async def test_an_app_and_recovery_codes(person: Person, auth_on: Auth, clock: FrozenClock) -> None:
    secret, codes = await person.add_totp(clock)
    assert len(codes) == 10
    asked = await person.first_step()
    assert asked["factors"] == ["totp", "recovery_code"]
    assert asked.keys() == {"mfa_required", "mfa_token", "factors"}
    await person.second_step(asked, factor="totp", code=authenticator_code(secret, clock.seconds()))
    principal = await auth_on.verify(person.token)
    assert principal.methods == {"pwd", "otp", "mfa"}
    await person.second_step(await person.first_step(), factor="recovery_code", code=codes[3])
    assert await person.ask("GET", "/mfa") == {"totp": True, "recovery_codes_left": 9, "passkeys": 0}
    anew = (await person.ask("POST", "/mfa/recovery-codes"))["recovery_codes"]
    assert not set(anew) & set(codes)
    await person.ask("DELETE", "/mfa/totp", expect=204)
    assert await person.ask("GET", "/mfa") == {"totp": False, "recovery_codes_left": 0, "passkeys": 0}
    assert "access_token" in await person.ask("POST", "/login", person.credentials)


@pytest.mark.parametrize("algorithm", [-8, -7, -257])
async def test_a_passkey_alone(person: Person, auth_on: Auth, algorithm: int) -> None:
    authenticator = SoftwareAuthenticator(ORIGIN, algorithm=algorithm, counts=True)
    made = await person.add_passkey(authenticator, "Blue key")
    assert (made["name"], len(made["recovery_codes"])) == ("Blue key", 10)
    for _ in range(2):
        person.token = ""
        asked = await person.ask("POST", "/login/passkey/options")
        assert "allowCredentials" not in asked["options"] or asked["options"]["allowCredentials"] == []
        answer = {"ticket": asked["ticket"], "credential": authenticator.get(asked["options"])}
        person.token = (await person.ask("POST", "/login/passkey", answer))["access_token"]
        assert (await auth_on.verify(person.token)).methods == {"hwk", "user", "mfa"}
    (listed,) = (await person.ask("GET", "/passkeys"))["items"]
    assert listed["last_used_at"] is not None


async def test_a_passkey_after_the_password(person: Person, auth_on: Auth) -> None:
    authenticator = SoftwareAuthenticator(ORIGIN, synced=True)
    await person.add_passkey(authenticator)
    asked = await person.first_step()
    assert asked["factors"] == ["recovery_code", "passkey"]
    options = await person.ask("POST", "/login/mfa/passkey-options", {"mfa_token": asked["mfa_token"]})
    assert len(options["allowCredentials"]) == 1
    await person.second_step(asked, factor="passkey", credential=authenticator.get(options))
    assert (await auth_on.verify(person.token)).methods == {"pwd", "swk", "user", "mfa"}


async def test_passkeys_have_names_and_go_one_by_one(person: Person) -> None:
    first, second = SoftwareAuthenticator(ORIGIN), SoftwareAuthenticator(ORIGIN)
    second.aaguid = bytes.fromhex("bada5566a7aa401fbd9645619a55120d")
    made = await person.add_passkey(first)
    asked = await person.first_step()
    options = await person.ask("POST", "/login/mfa/passkey-options", {"mfa_token": asked["mfa_token"]})
    await person.second_step(asked, factor="passkey", credential=first.get(options))
    other = await person.add_passkey(second)
    assert (made["name"], other["name"], other["recovery_codes"]) == ("Passkey", "1Password", [])
    renamed = await person.ask("PATCH", f"/passkeys/{made['id']}", {"name": " My phone "})
    assert renamed["name"] == "My phone"
    names = [item["name"] for item in (await person.ask("GET", "/passkeys"))["items"]]
    assert names == ["My phone", "1Password"]
    await person.ask("DELETE", f"/passkeys/{made['id']}", expect=204)
    await person.ask("DELETE", f"/passkeys/{made['id']}", expect=404)
    assert len((await person.ask("GET", "/passkeys"))["items"]) == 1


async def test_a_step_up_makes_a_login_recent_again(person: Person, auth_on: Auth, clock: FrozenClock) -> None:
    clock.advance(timedelta(minutes=4))
    person.token = (await person.ask("POST", "/login", person.credentials))["access_token"]
    before = await auth_on.verify(person.token)
    clock.advance(timedelta(minutes=4))
    stepped_up = await person.ask("POST", "/step-up", {"password": person.credentials["password"]})
    after = await auth_on.verify(stepped_up["access_token"])
    assert after.login_id == before.login_id
    assert after.methods == {"pwd"}
    assert after.authenticated_at == clock.seconds()


async def test_a_refresh_is_no_proof(client_on: httpx.AsyncClient, person: Person, clock: FrozenClock) -> None:
    tokens = await person.ask("POST", "/login", person.credentials)
    clock.advance(timedelta(minutes=11))
    renewed = await person.ask("POST", "/refresh", {"refresh_token": tokens["refresh_token"]})
    person.token = renewed["access_token"]
    refused = await client_on.post("/auth/mfa/totp", headers={"Authorization": f"Bearer {person.token}"})
    assert (refused.status_code, refused.json()["code"]) == (401, "recent_sign_in_required")
    stepped_up = await person.ask("POST", "/step-up", {"password": person.credentials["password"]})
    person.token = stepped_up["access_token"]
    await person.ask("POST", "/mfa/totp")


async def test_each_way_of_a_step_up(person: Person, auth_on: Auth, clock: FrozenClock) -> None:
    authenticator = SoftwareAuthenticator(ORIGIN)
    secret, codes = await person.add_totp(clock)
    by_code = {"factor": "totp", "code": authenticator_code(secret, clock.seconds())}
    person.token = (await person.ask("POST", "/step-up", by_code))["access_token"]
    assert (await auth_on.verify(person.token)).methods == {"pwd", "otp", "mfa"}
    await person.ask("POST", "/step-up", {"factor": "recovery_code", "code": codes[0]})
    await person.add_passkey(authenticator)
    asked = await person.ask("POST", "/step-up/passkey-options")
    answer = {"ticket": asked["ticket"], "credential": authenticator.get(asked["options"])}
    person.token = (await person.ask("POST", "/step-up", answer))["access_token"]
    assert (await auth_on.verify(person.token)).methods == {"pwd", "otp", "hwk", "user", "mfa"}


async def test_the_trail_tells_it_all(person: Person, auth_on: Auth, clock: FrozenClock) -> None:
    secret, codes = await person.add_totp(clock)
    await person.second_step(await person.first_step(), factor="recovery_code", code=codes[0])
    await person.ask("DELETE", "/mfa/totp", expect=204)
    events = await auth_on.store.list_events(AuditFilter(), 100, None)
    told = [event.action for event in reversed(events)]
    assert told[2:] == [
        AuditAction.TOTP_ENABLED,
        AuditAction.RECOVERY_CODES_MADE,
        AuditAction.RECOVERY_CODE_USED,
        AuditAction.LOGIN,
        AuditAction.TOTP_REMOVED,
    ]
    assert secret not in str(events)
    assert codes[0] not in str(events)


async def test_a_reset_opens_the_account_to_its_password_and_ends_every_login(
    person: Person, auth_on: Auth, clock: FrozenClock
) -> None:
    await person.add_totp(clock)
    user_id = (await auth_on.verify(person.token)).user_id
    admin = await signed_in(auth_on, "root@example.com", role=Role.ADMIN)
    answer = await person.http.post(f"/admin/users/{user_id}/reset-factors", headers=admin.headers)
    assert answer.status_code == 204
    (event,) = await auth_on.store.list_events(AuditFilter(action=AuditAction.FACTORS_RESET), 9, None)
    assert (event.actor_id, event.subject_id) == (admin.user.id, user_id)
    await person.ask("GET", "/me", expect=401)
    person.token = ""
    assert "access_token" in await person.ask("POST", "/login", person.credentials)


async def test_the_owner_hears_of_every_change_of_factors(mailing: Auth, clock: FrozenClock, post: Any) -> None:
    alice = await signed_in(mailing, "ada@example.com", methods=["pwd", "otp", "mfa"])
    admin = await signed_in(mailing, "root@example.com", role=Role.ADMIN)
    await add_totp(mailing, alice)
    await add_passkey(mailing, alice, SoftwareAuthenticator(ORIGIN))
    await mailing.mfa.app.remove(alice.principal, Device("::1"))
    await mailing.administration.reset_factors(admin.principal, alice.user.id)
    arrived = await post.arrived()
    assert {to for to, _ in arrived} == {"ada@example.com"}
    assert [subject.split()[-1] for _, subject in arrived] == ["protected", "protected", "factor", "reset"]
