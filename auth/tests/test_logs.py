"""Credentials in logs: the handler that watches the whole suite sees what it should."""

import logging

import pytest

from authkeep import Auth
from authkeep.testing import CredentialsInLogs, find_credential, signed_in


async def test_what_we_hand_out_is_recognised_in_a_log(auth: Auth) -> None:
    alice = await signed_in(auth)
    watch = CredentialsInLogs("seven purple kettles sing")
    hashed = await auth.passwords.hash("seven purple kettles sing")
    for secret in (alice.access_token, alice.refresh_token, hashed, "seven purple kettles sing"):
        watch.emit(logging.makeLogRecord({"name": "x", "msg": "here: %s", "args": (secret,)}))
    assert len(watch.found) == 4
    assert not any(secret in str(watch.found) for secret in (alice.access_token, alice.refresh_token))


@pytest.mark.parametrize(
    "harmless", ["login 0198c0de-0000-7000-8000-00000000000a of user ended", "GET /auth/api_keys 200", "max_api_keys"]
)
def test_what_is_no_credential_is_left_alone(harmless: str) -> None:
    assert find_credential(harmless) is None


def test_only_the_developers_mailbox_may_show_a_link() -> None:
    watch = CredentialsInLogs()
    for name in ("authkeep.mail", "authkeep.mail.mailbox"):
        watch.emit(logging.makeLogRecord({"name": name, "levelno": logging.INFO, "msg": "akr_" + "a" * 40}))
    assert [line.partition(":")[0] for line in watch.found] == ["authkeep.mail"]
