"""Who each policy lets pass, and with which words it refuses the others."""

from datetime import timedelta
from typing import Any

import pytest

from authkeep import Auth, InsufficientRole, InsufficientScope, Principal, RecentSignInRequired, Role
from authkeep.http import (
    Policy,
    RequestIdentity,
    owner_of,
    public,
    recent_sign_in,
    require_role,
    require_scope,
    signed_in,
)
from authkeep.http.policies import HasRole, SignedIn, deciding
from authkeep.testing import FrozenClock


def identity(auth: Auth, **fields: Any) -> RequestIdentity:
    principal = Principal("u1", "l1", fields.pop("role", Role.USER), **fields)
    return RequestIdentity(auth, {}, principal, None)


NOTES_KEY = {"api_key_id": "k1", "scopes": frozenset({"notes"})}


@pytest.mark.parametrize(
    "policy", [signed_in, require_role(Role.ADMIN), recent_sign_in(timedelta(minutes=1)), owner_of("note_id")]
)
def test_a_route_that_names_no_scope_is_closed_to_api_keys(auth: Auth, policy: Policy) -> None:
    for key in (NOTES_KEY, {"api_key_id": "k1"}, {"scopes": frozenset({"notes"})}):
        with pytest.raises(InsufficientScope) as refused:
            policy.check(identity(auth, role=Role.ADMIN, authenticated_at=auth.clock.seconds(), **key))
        assert refused.value.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope"'


@pytest.mark.parametrize(
    "policy", [require_scope("notes"), require_role(Role.ADMIN, scope="notes"), owner_of("note_id", scope="notes")]
)
def test_an_api_key_needs_the_scope_and_whatever_else_its_user_needs(auth: Auth, policy: SignedIn) -> None:
    policy.check(identity(auth, role=Role.ADMIN, **NOTES_KEY))
    policy.check(identity(auth, role=Role.ADMIN))
    with pytest.raises(InsufficientScope) as refused:
        policy.check(identity(auth, role=Role.ADMIN, api_key_id="k1", scopes=frozenset({"note", "notes2"})))
    assert refused.value.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="notes"'
    if isinstance(policy, HasRole):
        with pytest.raises(InsufficientRole):
            policy.check(identity(auth, **NOTES_KEY))


def test_a_sign_in_of_long_ago_is_not_a_recent_one(auth: Auth, clock: FrozenClock) -> None:
    policy = recent_sign_in(timedelta(minutes=10))
    signed_in_now = identity(auth, authenticated_at=clock.seconds())
    clock.advance(timedelta(minutes=10))
    policy.check(signed_in_now)
    with pytest.raises(RecentSignInRequired):
        policy.check(identity(auth))
    clock.advance(timedelta(seconds=1))
    with pytest.raises(RecentSignInRequired) as refused:
        policy.check(signed_in_now)
    challenge = 'Bearer error="insufficient_user_authentication", max_age="600"'
    assert refused.value.headers["WWW-Authenticate"] == challenge


def test_an_age_that_nobody_can_meet_is_refused() -> None:
    with pytest.raises(ValueError, match="max_age"):
        recent_sign_in(timedelta(0))


def test_what_other_policies_imply_is_not_shown() -> None:
    recent, admin = recent_sign_in(timedelta(minutes=1)), require_role(Role.ADMIN)
    assert deciding([public, signed_in, None, str]) == (signed_in,)
    assert deciding([signed_in, recent, admin, recent_sign_in(timedelta(minutes=1))]) == (recent, admin)
    assert deciding([require_scope("a"), owner_of("x", scope="a")]) == (owner_of("x", scope="a"),)
    # Neither implies the other: a key with the scope passes one of them, and is refused by the other.
    assert len(deciding([signed_in, require_scope("a")])) == 2
