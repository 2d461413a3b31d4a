"""The form of a refresh token, and the policy of its rotation, which is pure."""

import zlib
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from authkeep import InvalidRefreshToken, SigningKeys
from authkeep.refresh_tokens import LENGTH, PREFIX, RefreshToken, RefreshTokens, RotationRules
from authkeep.store import EndReason, Login

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SID = str(uuid7())
TOKENS = RefreshTokens(SigningKeys.generate().derive)
RULES = RotationRules(
    tokens=TOKENS,
    grace=timedelta(seconds=10),
    grace_uses=3,
    idle=timedelta(days=14),
    remember=timedelta(minutes=6),
)


def new_login(token: RefreshToken) -> Login:
    later = NOW + timedelta(days=90)
    return Login(token.sid, "user", token.hash, (), NOW, NOW, later, later, None, None, "", "", NOW)


class Lineage:
    """A login, presented with tokens as time passes."""

    def __init__(self) -> None:
        first = TOKENS.issue(SID)
        self.login, self.now, self.issued = new_login(first), NOW, [first]
        self.too_often = False

    def present(self, token: RefreshToken) -> RefreshToken | None:
        nonce = f"{len(self.issued):032x}"
        rotation = RULES.decide(self.login, token, now=self.now, nonce=nonce, revocation_id="r")
        self.login, self.too_often = rotation.login, rotation.too_often
        if rotation.token is None:
            return None
        handed_out = TOKENS.parse(rotation.token)
        if handed_out not in self.issued:
            self.issued.append(handed_out)
        return handed_out


def test_a_token_reads_back_and_says_whose_it_is() -> None:
    token = TOKENS.issue(SID)
    assert len(token.text) == LENGTH
    assert token.text.startswith(PREFIX)
    assert TOKENS.parse(token.text) == token
    assert token.text not in repr(token)


def test_the_checksum_can_be_checked_without_a_key() -> None:
    """So that scanners of leaked secrets can tell a token from something that looks like one."""
    text = TOKENS.issue(SID).text
    crc = zlib.crc32(text[len(PREFIX) : -6].encode()).to_bytes(4, "big")
    assert urlsafe_b64encode(crc).decode().rstrip("=") == text[-6:]


@given(position=st.integers(0, LENGTH - 1), char=st.characters())
def test_no_character_of_a_token_can_be_changed(position: int, char: str) -> None:
    text = TOKENS.issue(SID).text
    changed = text[:position] + char + text[position + 1 :]
    if changed != text:
        with pytest.raises(InvalidRefreshToken):
            TOKENS.parse(changed)


@pytest.mark.parametrize(
    "text", ["", PREFIX, f"{PREFIX}{'A' * 92}", "x" * LENGTH, "y" * 10**6, "é" * LENGTH], ids=lambda text: text[:5]
)
def test_what_was_never_issued_is_refused(text: str) -> None:
    with pytest.raises(InvalidRefreshToken):
        TOKENS.parse(text)


def test_a_token_of_another_deployment_is_refused() -> None:
    with pytest.raises(InvalidRefreshToken):
        TOKENS.parse(RefreshTokens(SigningKeys.generate().derive).issue(SID).text)


def test_neither_the_token_nor_the_nonce_alone_yields_the_successor() -> None:
    token = TOKENS.issue(SID)
    successors = {TOKENS.successor(token, "00" * 16).text, TOKENS.successor(token, "01" * 16).text}
    successors.add(TOKENS.successor(TOKENS.issue(SID), "00" * 16).text)
    successors.add(RefreshTokens(SigningKeys.generate().derive).successor(token, "00" * 16).text)
    assert len(successors) == 4


def test_within_the_grace_the_same_parent_yields_the_same_successor_a_few_times() -> None:
    lineage = Lineage()
    parent = lineage.issued[0]
    successor = lineage.present(parent)
    assert [lineage.present(parent) for _ in range(RULES.grace_uses)] == [successor] * 3
    before = lineage.login
    assert lineage.present(parent) is None
    assert lineage.too_often
    assert lineage.login == before


def test_a_token_that_was_presented_too_often_is_theft_once_the_grace_is_over() -> None:
    lineage = Lineage()
    parent = lineage.issued[0]
    for _ in range(RULES.grace_uses + 9):
        lineage.present(parent)
    lineage.now += RULES.grace + timedelta(milliseconds=1)
    assert lineage.present(parent) is None
    assert (lineage.too_often, lineage.login.end_reason) == (False, EndReason.REUSED)


def test_reuse_is_recognised_however_long_ago_the_token_was_current() -> None:
    lineage = Lineage()
    for _ in range(50):
        lineage.present(lineage.issued[-1])
        lineage.now += timedelta(hours=1)
    assert len(lineage.login.recent) == 1
    assert lineage.present(lineage.issued[0]) is None
    assert lineage.login.ended_at == lineage.now


def test_an_ended_login_stays_as_it_ended() -> None:
    token = TOKENS.issue(SID)
    ended = replace(new_login(token), ended_at=NOW, end_reason=EndReason.LOGOUT)
    rotation = RULES.decide(ended, token, now=NOW, nonce="00" * 16, revocation_id="r")
    assert (rotation.login, rotation.token, rotation.revocation) == (ended, None, None)


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 30)), max_size=60))
def test_whatever_is_presented_there_is_at_most_one_live_token(schedule: list[tuple[int, float]]) -> None:
    """Any token ever issued, at any time: what is handed out is the current one, or the login is over for good.

    The exception is a token presented too often in one moment, which changes nothing.
    """
    lineage = Lineage()
    for index, seconds in schedule:
        lineage.now += timedelta(seconds=seconds)
        before, was_over = lineage.login, lineage.login.ended_at is not None
        handed_out = lineage.present(lineage.issued[index % len(lineage.issued)])
        if handed_out is not None:
            assert not was_over
            assert handed_out.hash == lineage.login.token_hash
        elif lineage.too_often:
            assert lineage.login == before
        else:
            assert lineage.login.ended_at is not None
