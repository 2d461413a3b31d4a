"""The pages of the account and of the administration, as a browser without JavaScript sees them."""

import re
from html import unescape

import pytest

from chatkeep_ui.account import ACCOUNT_PAGES
from chatkeep_ui.account.notices import NOTICES
from chatkeep_ui.destination import destination
from chatkeep_ui.manage import MANAGE_PAGES
from ui.tests.account_stand_in import RECOVERY_CODES, TOTP_SECRET, wrong
from ui.tests.api_stand_in import problem
from ui.tests.site import PASSWORD, Browser, Site

PATHS = [page.path.replace("{user_id}", "01a204c9-5576-74dd-a0e5-3ae86741e479") for page in ACCOUNT_PAGES]
MANAGED = [page.path.replace("{user_id}", "01a204c9-5576-74dd-a0e5-3ae86741e479") for page in MANAGE_PAGES]


@pytest.fixture
def confirmed(ada: Browser) -> Browser:
    """Somebody who has just said again who they are."""
    answer = ada.submit("/account/confirm", do="password", password=PASSWORD, then="/account/keys")
    assert answer.headers["location"] == "/account/keys"
    return ada


@pytest.mark.parametrize("path", PATHS + MANAGED)
def test_nobody_looks_at_an_account_without_a_sign_in(ada: Browser, site: Site, path: str) -> None:
    answer = site.browser().get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?")
    assert f"then={path}" in answer.headers["location"].replace("%2F", "/")


def test_signing_in_leads_back_to_the_page_one_came_for(ada: Browser, site: Site) -> None:
    browser = site.browser()
    answer = browser.submit("/sign-in", email="ada@example.org", password=PASSWORD, then="/account/devices")
    assert answer.headers["location"] == "/account/devices"


@pytest.mark.parametrize(
    "then",
    [
        "//evil.example",
        "https://evil.example/account",
        "/account/../sign-out",
        "/account\r\nSet-Cookie: a=b",
        "/\\evil.example",
        "/accounts",
        "/account?x=//evil.example",
        "/account/%2e%2e",
        "/account/" + "a" * 65,
    ],
)
def test_open_redirect_through_the_then_field(then: str) -> None:
    assert destination({"then": then}) == "/"


@pytest.mark.parametrize("path", PATHS)
def test_another_site_cannot_send_the_forms_of_an_account(confirmed: Browser, site: Site, path: str) -> None:
    actions = next(page for page, at in zip(ACCOUNT_PAGES, PATHS, strict=True) if at == path).actions
    for do in actions:
        for header in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
            answer = confirmed.http.post(path, data={"do": do, "name": "Mallory", "key_name": "x"}, headers=header)
            assert answer.status_code == 403
    assert site.api.users["ada@example.org"]["name"] == "Ada Lovelace"
    assert site.api.done == []


def test_a_name_is_changed_and_shown(ada: Browser) -> None:
    answer = ada.submit("/account", do="rename", name="Ada <b>King</b>")
    assert answer.headers["location"] == "/account?done=renamed"
    page = ada.get("/account?done=renamed").text
    assert NOTICES["renamed"] in page
    assert 'value="Ada &lt;b&gt;King&lt;/b&gt;"' in page


def test_a_link_puts_no_words_on_the_page(ada: Browser) -> None:
    assert "pay me" not in ada.get("/account?done=pay+me").text


def test_what_is_wrong_stands_beside_its_field_and_no_password_comes_back(ada: Browser, site: Site) -> None:
    errors = [{"loc": ["body", "current_password"], "msg": "The current password is not right", "type": "x"}]
    site.api.refusals["POST /auth/password"] = problem(422, "wrong_password", "no", errors=errors)
    new = "a brand new secret phrase"
    answer = ada.submit("/account", do="change-password", current_password="not this one", new_password=new)
    assert answer.status_code == 422
    assert re.search(r'id="current_password-says">The current password is not right', answer.text)
    assert new not in answer.text


def test_devices_have_names_that_people_recognise(ada: Browser, site: Site) -> None:
    page = ada.get("/account/devices").text
    assert "Firefox on Linux" in page
    assert page.count("this device") == 1
    sid = re.search(r'name="sid" value="([^"]+)"', page)
    assert sid is not None
    ada.submit("/account/devices", do="end", sid=sid[1])
    assert site.api.done == [("DELETE", f"/auth/logins/{sid[1]}", {})]


@pytest.mark.parametrize("sid", ["../../admin/users/1", "a/b?c=d#e", "", "%2e%2e%2fme"])
def test_an_id_from_a_form_leads_nowhere_else(ada: Browser, site: Site, sid: str) -> None:
    ada.submit("/account/devices", do="end", sid=sid)
    assert [path.count("/") for _, path, _ in site.api.done] == [3]


@pytest.mark.parametrize("path", ["/account/security", "/account/keys", "/account/delete"])
def test_what_matters_asks_again_who_it_is(ada: Browser, site: Site, path: str) -> None:
    asked = ada.get(path)
    assert asked.headers["location"].replace("%2F", "/") == f"/account/confirm?then={path}"
    wrong = ada.submit("/account/confirm", do="password", password=PASSWORD, then="https://evil.example")
    assert wrong.headers["location"] == "/account"
    assert ada.get(path).status_code == 200


def test_a_wrong_password_confirms_nothing(ada: Browser) -> None:
    answer = ada.submit("/account/confirm", do="password", password="not this one at all", then="/account/keys")
    assert answer.status_code == 422
    assert re.search(r'id="password-says">The password is not right', answer.text)
    assert 'value="/account/keys"' in answer.text
    assert ada.get("/account/keys").status_code == 303


def test_an_action_that_the_api_wants_confirmed_is_confirmed_first(confirmed: Browser, site: Site) -> None:
    site.api.refusals["POST /auth/api-keys"] = problem(401, "recent_sign_in_required", "Confirm that it is you.")
    answer = confirmed.submit("/account/keys", do="create", key_name="CI", **{"scope-chat": "on"})
    assert answer.headers["location"].replace("%2F", "/") == "/account/confirm?then=/account/keys"


def test_a_key_is_shown_once(confirmed: Browser) -> None:
    made = confirmed.submit("/account/keys", do="create", key_name="CI", days="30", **{"scope-chat": "on"})
    key = re.search(r"ck_[A-Za-z0-9_-]{43}", made.text)
    assert key is not None
    assert made.headers["cache-control"] == "no-store"
    again = confirmed.get("/account/keys").text
    assert key[0] not in again
    assert "CI" in again
    identifier = re.search(r'name="id" value="([^"]+)"', again)
    assert identifier is not None
    assert confirmed.submit("/account/keys", do="revoke", id=identifier[1]).status_code == 303
    assert "You have no keys" in confirmed.get("/account/keys").text


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "otpauth://totp/a",
        "otpauth://totp/a?secret=" + "A" * 9000,
        "otpauth://totp/[?secret=\0",
        "otpauth://totp/" + "a" * 9000 + "?secret=" + "A" * 32,
    ],
)
def test_a_setting_up_that_was_invented(confirmed: Browser, uri: str) -> None:
    answer = confirmed.submit("/account/security", do="", totp_uri=uri)
    assert answer.status_code == 200
    assert "javascript:" not in answer.text
    assert "Set up an app" in answer.text


def test_what_the_api_does_not_offer_is_not_on_the_page(confirmed: Browser, site: Site) -> None:
    for path in ("/auth/passkeys", "/auth/identities", "/auth/oidc"):
        site.api.refusals[f"GET {path}"] = problem(404, "not_found", "There is nothing here.")
    page = confirmed.get("/account/security")
    assert page.status_code == 200
    assert "Authenticator app" in page.text
    assert "Passkeys" not in page.text
    assert "Accounts elsewhere" not in page.text


def test_an_authenticator_app_is_set_up_with_a_code(confirmed: Browser, site: Site) -> None:
    started = confirmed.submit("/account/security", do="start-totp").text
    assert TOTP_SECRET in started
    assert "<svg" in started
    uri = unescape(re.findall(r'name="totp_uri" value="([^"]+)"', started)[0])
    site.api.refusals["POST /auth/mfa/totp/confirm"] = wrong("code", "That is not the code")
    again = confirmed.submit("/account/security", do="confirm-totp", code="000000", totp_uri=uri).text
    assert "That is not the code" in again
    assert started.partition("<svg")[2].partition("</svg>")[0] in again
    site.api.refusals.clear()
    done = confirmed.submit("/account/security", do="confirm-totp", code="123456", totp_uri=uri).text
    assert all(code in done for code in RECOVERY_CODES)
    assert RECOVERY_CODES[0] not in confirmed.get("/account/security").text


def test_deleting_an_account_takes_its_address_and_ends_here(confirmed: Browser, site: Site) -> None:
    assert confirmed.submit("/account/delete", do="delete", confirm_email="eve@example.org").status_code == 422
    assert site.api.done == []
    gone = confirmed.submit("/account/delete", do="delete", confirm_email=" ADA@example.org ")
    assert gone.headers["location"] == "/sign-in?because=deleted"
    assert not list(confirmed.http.cookies.jar)


def test_the_administration_is_for_administrators(site: Site, ada: Browser) -> None:
    bob = site.signed_in("bob@example.org")
    bob.submit("/account/confirm", do="password", password=PASSWORD)
    assert "/manage/users" not in bob.get("/account").text
    for path in MANAGED:
        assert bob.get(path).status_code == 403
    assert "/manage/users" in ada.get("/account").text


def test_an_administrator_finds_and_changes_people(confirmed: Browser, site: Site) -> None:
    site.signed_in("bob@example.org")
    bob = site.api.users["bob@example.org"]["id"]
    assert "ada@example.org" in confirmed.get("/manage/users?q=ada").text
    assert "bob@example.org" not in confirmed.get("/manage/users?q=ada").text.partition("<table")[2]
    assert "bob@example.org" in confirmed.get(f"/manage/users/{bob}").text
    confirmed.submit(f"/manage/users/{bob}", do="disable")
    assert site.api.done == [("PATCH", f"/admin/users/{bob}", {"disabled": True})]


def test_the_trail_is_text_and_comes_as_a_file_too(confirmed: Browser) -> None:
    page = confirmed.get("/manage/audit").text
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "ada@example.org</a>" in page
    file = confirmed.submit("/manage/audit", do="export")
    assert file.text == '{"action":"login"}\n'
    assert file.headers["content-disposition"] == 'attachment; filename="audit.jsonl"'


def test_a_login_that_was_ended_elsewhere_leads_to_the_sign_in(confirmed: Browser, site: Site) -> None:
    site.api.access.clear()
    assert confirmed.get("/account").headers["location"].startswith("/sign-in?because=ended")


def test_a_server_that_sends_no_mail_offers_none(ada: Browser, site: Site) -> None:
    assert "/forgot-password" in site.browser().get("/sign-in").text
    site.api.sends_mail = False
    assert "/forgot-password" not in site.browser().get("/sign-in").text


def test_providers_have_a_button_each(ada: Browser, site: Site) -> None:
    site.api.providers = [{"id": "corp", "name": "Corp & Sons"}]
    page = site.browser().get("/sign-in?then=/account/keys").text
    assert 'href="/auth/oidc/corp/login?return_to=/account/keys"' in page
    assert "Sign in with Corp &amp; Sons" in page


@pytest.mark.parametrize("error", ["email_taken", "external_sign_in_expired", "mfa_required", "<script>"])
def test_a_sign_in_elsewhere_that_failed_says_why(ada: Browser, site: Site, error: str) -> None:
    page = site.browser().http.get("/sign-in", params={"error": error})
    assert 'role="alert"' in page.text
    assert "<script>" not in page.text.partition("<main>")[2]


def test_a_sign_in_elsewhere_goes_on_to_the_second_step(ada: Browser, site: Site) -> None:
    browser = site.browser()
    browser.http.cookies.set("authkeep_mfa", "A" * 43 + ".totp.recovery_code")
    page = browser.http.get("/sign-in", params={"error": "mfa_required"}).text
    assert 'name="code"' in page
    assert "A" * 43 in page
    browser.http.cookies.set("authkeep_mfa", '"><script>.totp')
    page = browser.http.get("/sign-in", params={"error": "mfa_required"}).text
    assert 'name="password"' in page
