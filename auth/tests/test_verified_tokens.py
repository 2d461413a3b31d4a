"""The cache of verified tokens: what it must not outlive, and what nobody can do to it."""

import math
from datetime import timedelta

import pytest

from authkeep import Auth, InvalidToken, SigningKeys
from authkeep.key_ring import OVERLAP, PUBLISH_AHEAD
from authkeep.testing import FrozenClock, signed_in
from authkeep.verified_tokens import VerifiedTokens


@pytest.fixture
def keys() -> SigningKeys:
    """Of this test alone: some of them take keys away."""
    return SigningKeys.generate()


async def test_a_second_request_costs_no_signature(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    user = await signed_in(auth)
    principal = await auth.verify(user.access_token)
    monkeypatch.setattr(auth.access_tokens, "verify", None)
    assert await auth.verify(user.access_token) is principal


async def test_the_cache_does_not_outlive_expiry(auth: Auth, clock: FrozenClock) -> None:
    user = await signed_in(auth)
    await auth.verify(user.access_token)
    clock.advance(auth.settings.access_lifetime)
    with pytest.raises(InvalidToken):
        await auth.verify(user.access_token)
    assert len(auth.verified_tokens) == 0


async def test_the_cache_does_not_outlive_revocation(auth: Auth) -> None:
    user, other = await signed_in(auth), await signed_in(auth, "bob@example.com")
    for token in (user.access_token, other.access_token):
        await auth.verify(token)
    await auth.logins.end_all(user.principal)
    with pytest.raises(InvalidToken):
        await auth.verify(user.access_token)
    await auth.verify(other.access_token)


async def test_the_cache_does_not_outlive_the_key(auth: Auth, clock: FrozenClock) -> None:
    user = await signed_in(auth)
    await auth.verify(user.access_token)
    auth.keys.replace(clock.seconds())
    with pytest.raises(InvalidToken):
        await auth.verify(user.access_token)
    assert len(auth.verified_tokens) == 0


async def test_the_cache_does_not_outlive_the_keys_time(auth: Auth, clock: FrozenClock) -> None:
    user = await signed_in(auth)
    verified = auth.verified_tokens.verify(user.access_token, now=clock.seconds())
    auth.keys.rotate(clock.seconds())
    # A token that claims to live longer than its key does.
    object.__setattr__(verified, "expires_at", math.inf)
    clock.advance(timedelta(seconds=PUBLISH_AHEAD + OVERLAP - 1))
    assert auth.verified_tokens.verify(user.access_token, now=clock.seconds()) is verified
    clock.advance(timedelta(seconds=1))
    with pytest.raises(InvalidToken):
        auth.verified_tokens.verify(user.access_token, now=clock.seconds())


async def test_garbage_neither_fills_the_cache_nor_pushes_anybody_out(auth: Auth) -> None:
    user = await signed_in(auth)
    cache = VerifiedTokens(auth.access_tokens, auth.keys, capacity=2)
    known = cache.verify(user.access_token, now=auth.clock.seconds())
    head, payload, _ = user.access_token.split(".")
    for n in range(200):
        for garbage in (
            f"{head}.{payload}.{n:086d}",
            f"{head}.{n:0200d}.{n:086d}",
            f"{n}",
            user.access_token + "=" * n,
        ):
            if garbage != user.access_token:
                with pytest.raises(InvalidToken):
                    cache.verify(garbage, now=auth.clock.seconds())
    assert len(cache) == 1
    assert cache.verify(user.access_token, now=auth.clock.seconds()) is known


async def test_the_cache_is_bounded_and_holds_no_token(auth: Auth) -> None:
    cache = VerifiedTokens(auth.access_tokens, auth.keys, capacity=3)
    tokens = [(await signed_in(auth, f"user{n}@example.com")).access_token for n in range(5)]
    for token in tokens:
        cache.verify(token, now=auth.clock.seconds())
    assert len(cache) == 3
    assert not any(token in repr(vars(cache)) for token in tokens)


async def test_one_token_is_one_entry(auth: Auth) -> None:
    user = await signed_in(auth)
    for _ in range(10):
        await auth.verify(user.access_token)
    assert len(auth.verified_tokens) == 1
