"""The pages of the account and of the administration, on a server as people run it: behind a proxy, with a mail server.

Addresses have to be confirmed before anybody signs in, so everybody here has come by way of their mailbox.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from testbed.chatkeep_server import GENEROUS, ServerProcess, running_server
from testbed.mail_server import MailServer, mail_server
from testbed.visitor import PASSWORD, AuthenticatorApp, Visitor

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1"
NEW_PASSWORD = "violet turnips hum at 5 o'clock"
CODE = r"<li><code>([^<]+)</code></li>"


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture(scope="module")
def page(mail: MailServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    environ = {
        **GENEROUS,
        "CHATKEEP_SMTP_URL": mail.url,
        "CHATKEEP_MAIL_FROM": "chatkeep <chat@example.org>",
        "CHATKEEP_VERIFY_EMAIL": "true",
        "CHATKEEP_TRUSTED_PROXIES": "127.0.0.1",
    }
    with running_server(tmp_path_factory.mktemp("pages") / "data", environ) as process:
        yield process


@pytest.fixture
def browser(page: ServerProcess) -> Iterator[Callable[..., Visitor]]:
    """Open a browser that has never been here; given an e-mail, for somebody who has an account."""
    with ExitStack() as stack:
        yield lambda email="", **options: stack.enter_context(Visitor(page.url, email, **options))


@pytest.fixture(scope="module")
def setup_code(page: ServerProcess) -> str:
    return page.read_all().partition("setup code: ")[2].split()[0]


@pytest.fixture(scope="module")
def admin_email(page: ServerProcess, mail: MailServer, setup_code: str) -> str:
    """The first who registers."""
    with Visitor(page.url, "admin@example.org") as admin:
        register(admin, mail, setup_code=setup_code)
    return "admin@example.org"


@pytest.fixture
def admin(admin_email: str, browser: Callable[..., Visitor]) -> Visitor:
    visitor = browser(admin_email)
    visitor.sign_in()
    return visitor


@pytest.fixture
def ada(admin_email: str, browser: Callable[..., Visitor], mail: MailServer) -> Visitor:
    """Somebody who has just signed in for the first time."""
    visitor = browser()
    register(visitor, mail)
    visitor.sign_in(then="/account")
    assert visitor.path == "/account"
    return visitor


def register(visitor: Visitor, mail: MailServer, **fields: str) -> None:
    visitor.send("/register", email=visitor.email, password=PASSWORD, name="Ada Lovelace", **fields)
    assert "Check your mail" in visitor.text
    page, token = mail.next_link(visitor.email)
    visitor.send(page, token=token)
    assert "Your e-mail address is confirmed" in visitor.text


def set_up(visitor: Visitor) -> tuple[AuthenticatorApp, dict[str, str]]:
    """An app with the secret from the page, and what the page's form carries on."""
    visitor.send("/account/security", "start-totp")
    return AuthenticatorApp(visitor.find(r'id="totp-secret">([A-Z2-7]+)<')), {"totp_uri": visitor.hidden("totp_uri")}


def signed_in(visitor: Visitor) -> bool:
    visitor.get("/account")
    return visitor.path == "/account"


def test_nobody_signs_in_before_their_address_is_confirmed(
    admin_email: str, browser: Callable[..., Visitor], mail: MailServer
) -> None:
    visitor = browser()
    visitor.send("/register", email=visitor.email, password=PASSWORD)
    mail.next_link(visitor.email)
    assert "Confirm your e-mail address" in visitor.sign_in()
    assert visitor.email in visitor.send("/verify-email/resend", email=visitor.email)
    page, token = mail.next_link(visitor.email)
    assert "expired" in visitor.send(page, token="x" + token[1:])
    visitor.send(page, token=token)
    assert visitor.path == "/sign-in?because=verified"
    visitor.sign_in(then="/account")
    assert "confirmed</span>" in visitor.text


def test_a_name_is_changed(ada: Visitor) -> None:
    ada.send("/account", "rename", name="Ada <b>King</b>")
    assert ada.path == "/account?done=renamed"
    assert 'value="Ada <b>King</b>"' in ada.text


def test_another_address_is_confirmed_from_its_mailbox(
    ada: Visitor, browser: Callable[..., Visitor], mail: MailServer
) -> None:
    new = "new-" + ada.email
    ada.send("/account", "change-email", new_email=new)
    assert ada.path == "/account?done=mail-sent"
    page, token = mail.next_link(new)
    ada.send(page, token=token)
    assert f"<p>{new} " in ada.get("/account")
    assert "change its e-mail address" in mail.next_mail(ada.email)
    assert "do not match" in browser(ada.email).sign_in()
    browser(new).sign_in()


def test_a_new_password_signs_out_every_other_browser(ada: Visitor, browser: Callable[..., Visitor]) -> None:
    other = browser(ada.email)
    other.sign_in()
    assert signed_in(other)
    ada.send("/account", "change-password", current_password="not this one at all", new_password=NEW_PASSWORD)
    assert "The current password is not right" in ada.text
    ada.send("/account", "change-password", current_password=PASSWORD, new_password="short")
    assert ada.status == 422
    ada.send("/account", "change-password", current_password=PASSWORD, new_password=NEW_PASSWORD)
    assert ada.path == "/account?done=password-changed"
    assert not signed_in(other)
    assert "do not match" in other.sign_in()
    other.sign_in(NEW_PASSWORD)
    assert signed_in(other)


def test_guessing_locks_strangers_out_and_not_the_browser_of_the_owner(
    ada: Visitor, browser: Callable[..., Visitor]
) -> None:
    ada.send("/sign-out")
    stranger = browser(ada.email)
    for _ in range(10):
        assert "do not match" in stranger.sign_in("not this one at all")
    assert "Too many requests" in stranger.sign_in()
    ada.sign_in(then="/account")
    assert ada.path == "/account"


def test_devices_are_recognised_and_ended(ada: Visitor, browser: Callable[..., Visitor]) -> None:
    phone = browser(ada.email, user_agent=IPHONE)
    phone.sign_in()
    ada.get("/account/devices")
    assert "Firefox on Linux" in ada.text
    assert "Safari on iPhone" in ada.text
    assert phone.http.headers["X-Forwarded-For"] in ada.text
    ada.send("/account/devices", "end", sid=ada.hidden("sid"))
    assert "Safari on iPhone" not in ada.text
    assert not signed_in(phone)
    phone.sign_in()
    ada.send("/account/devices", "end-others")
    assert not signed_in(phone)
    ada.send("/account/devices", "end-all")
    assert ada.path.startswith("/sign-in")
    assert not signed_in(ada)


def test_an_api_key_made_here_opens_what_it_is_for_until_it_is_revoked(ada: Visitor) -> None:
    def program(path: str) -> int:
        url = ada.http.base_url.join(path)
        return httpx.get(url, headers={"Authorization": f"Bearer {key}"}, trust_env=False).status_code

    ada.send("/account/keys", "create", key_name="backup <1>", days="30", **{"scope-chat": "on"})
    key = ada.find(r'id="new-key">(ck_[^<]+)<')
    assert program("/chat/sessions") == 200
    assert program("/auth/me") == 403
    ada.get("/account/keys")
    assert key not in ada.text
    assert "backup <1>" in ada.text
    ada.send("/account/keys", "revoke", id=ada.hidden("id"))
    assert "revoked" in ada.text
    assert program("/chat/sessions") == 401


def test_a_key_for_nothing_is_not_made(ada: Visitor) -> None:
    ada.send("/account/keys", "create", key_name="idle")
    assert ada.status == 422
    assert "new-key" not in ada.text


def test_an_authenticator_app_from_its_setting_up_to_its_removal(ada: Visitor, browser: Callable[..., Visitor]) -> None:
    app, setting_up = set_up(ada)
    wrong = ada.send("/account/security", "confirm-totp", code="000000", **setting_up)
    assert "<svg" in wrong
    assert app.secret in wrong
    ada.send("/account/security", "confirm-totp", code=app.code(), **setting_up)
    recovery = re.findall(CODE, ada.text)
    assert len(recovery) == 10

    ada.send("/sign-out")
    assert "One more step" in ada.sign_in(then="/account/devices")
    assert not signed_in(browser(ada.email))
    form = {"mfa_token": ada.hidden("mfa_token"), "factors": ada.hidden("factors"), "then": ada.hidden("then")}
    assert "That code is not right" in ada.send("/sign-in/second-factor", "code", code="000000", **form)
    ada.send("/sign-in/second-factor", "code", code=app.code(), **form)
    assert ada.path == "/account/devices"

    second = browser(ada.email)
    for expected in ("/account", "That code is not right"):
        second.sign_in(then="/account")
        form = {"mfa_token": second.hidden("mfa_token"), "factors": second.hidden("factors"), "then": "/account"}
        second.send("/sign-in/second-factor", "code", code=recovery[0].upper(), **form)
        assert expected in second.path + second.text
    assert "<strong>9</strong> left" in ada.get("/account/security")
    ada.send("/account/security", "remove-totp")
    assert "no longer asked for" in ada.text
    assert signed_in(ada)
    second.sign_in(then="/account")
    assert second.path == "/account"


def test_a_login_from_before_the_second_factor_has_to_prove_it(ada: Visitor) -> None:
    app, setting_up = set_up(ada)
    ada.send("/account/security", "confirm-totp", code=app.code(), **setting_up)
    first = ada.find(CODE)
    ada.send("/account/security", "new-recovery-codes")
    assert ada.path == "/account/confirm?then=/account/security"
    assert 'name="password"' not in ada.text
    ada.confirm("/account/security", code="000000")
    assert ada.status == 422
    ada.confirm("/account/security", code=first)
    assert ada.path == "/account/security"
    ada.send("/account/security", "new-recovery-codes")
    assert ada.find(CODE) != first


def test_a_forgotten_password_is_replaced_by_way_of_the_mailbox(
    ada: Visitor, browser: Callable[..., Visitor], mail: MailServer
) -> None:
    stranger = browser(ada.email)
    known = stranger.send("/forgot-password", email=ada.email)
    unknown = stranger.send("/forgot-password", email="nobody@example.org")
    assert known.replace(ada.email, "nobody@example.org") == unknown
    page, token = mail.next_link(ada.email)
    assert page == stranger.http.base_url.join("/reset-password")
    assert "at least 15 characters" in stranger.send(page, token=token, new_password="short")
    stranger.send(page, token=token, new_password=NEW_PASSWORD)
    assert stranger.path == "/sign-in?because=reset"
    assert not signed_in(ada)
    assert "used before" in stranger.send(page, token=token, new_password=PASSWORD)
    stranger.sign_in(NEW_PASSWORD, then="/account")
    assert stranger.path == "/account"


def test_deleting_an_account_ends_it_everywhere(ada: Visitor, browser: Callable[..., Visitor]) -> None:
    other = browser(ada.email)
    other.sign_in()
    assert ada.send("/account/delete", "delete", confirm_email="eve@example.org")
    assert ada.status == 422
    ada.send("/account/delete", "delete", confirm_email=ada.email.upper())
    assert ada.path == "/sign-in?because=deleted"
    assert not signed_in(other)
    assert "do not match" in other.sign_in()


def test_an_administrator_finds_somebody_and_what_is_done_to_them_bites(
    admin: Visitor, ada: Visitor, browser: Callable[..., Visitor]
) -> None:
    person = find(admin, ada)
    admin.send(person, "make-admin")
    assert "Take the administrator" in admin.text
    ada.sign_in()
    assert ada.email in ada.get(f"/manage/users?q={ada.email}")
    admin.send(person, "make-user")
    ada.sign_in()
    ada.get("/manage/users")
    assert ada.status == 403
    admin.send(person, "revoke")
    assert not signed_in(ada)
    ada.sign_in()
    admin.send(person, "disable")
    assert not signed_in(ada)
    assert "do not match" in ada.sign_in()
    admin.send(person, "enable")
    ada.sign_in()
    assert signed_in(ada)
    for action in ("user.role_changed", "user.disabled", "user.enabled"):
        assert f"<strong>{action}</strong>" in admin.text


def test_an_administrator_removes_lost_factors_and_deletes(admin: Visitor, ada: Visitor) -> None:
    app, setting_up = set_up(ada)
    ada.send("/account/security", "confirm-totp", code=app.code(), **setting_up)
    person = find(admin, ada)
    admin.send(person, "reset-factors")
    ada.sign_in(then="/account")
    assert ada.path == "/account"
    admin.send(f"{person}/delete", "delete", confirm_email=ada.email)
    assert admin.path == "/manage/users?done=user-deleted"
    assert not signed_in(ada)


def test_the_trail_is_shown_and_comes_as_a_file(admin: Visitor, ada: Visitor) -> None:
    me = find(admin, ada).rpartition("/")[2]
    assert "<strong>login</strong>" in admin.get(f"/manage/audit?user_id={me}&action=login")
    assert "user.registered" not in admin.text
    export = admin.http.post("/manage/audit", data={"do": "export"})
    assert re.fullmatch(r'attachment; filename="audit-\d{4}-\d\d-\d\d\.jsonl"', export.headers["content-disposition"])
    assert f'"{me}"' in export.text
    assert "audit.exported" in admin.get("/manage/audit")


def find(admin: Visitor, person: Visitor) -> str:
    """By the search, as administrators do."""
    admin.get(f"/manage/users?q={person.email.partition('@')[0]}")
    return admin.find(r'href="(/manage/users/[^"]+)"><strong>')
