"""The vault by itself."""

import itertools
import threading
from dataclasses import replace

from chatkeep_ui.vault import SignIn, Vault, digest


def sign_in(token: str, refresh: str = "r1", expires_at: float = 100.0) -> SignIn:
    return SignIn(token, renew_at=expires_at / 2, expires_at=expires_at, refresh_digests=(digest(refresh),))


def test_a_key_counts_only_beside_its_refresh_token() -> None:
    vault = Vault(clock=lambda: 0.0)
    key = vault.open(sign_in("a", "r1"))

    assert vault.find_for(key, "r1") is not None
    assert vault.find_for(key, "r2") is None
    assert vault.find_for(key, None) is None
    assert vault.find_for(None, "r1") is None


def test_a_renewal_needs_the_refresh_token_and_remembers_the_one_before() -> None:
    vault = Vault(clock=lambda: 0.0)
    key = vault.open(sign_in("a", "r1"))

    assert not vault.renew(key, "stolen", sign_in("b", "r2"))
    assert vault.renew(key, "r1", sign_in("b", "r2"))
    assert [vault.find_for(key, token) is not None for token in ("r2", "r1", "r0")] == [True, True, False]


def test_an_expired_token_is_not_found() -> None:
    now = itertools.count(0.0, 60.0)
    vault = Vault(clock=lambda: next(now))
    key = vault.open(sign_in("a", expires_at=100.0))

    assert [vault.find(key) is not None for _ in range(3)] == [True, True, False]


def test_a_token_the_api_refused_is_expired_but_not_its_successor() -> None:
    vault = Vault(clock=lambda: 0.0)
    key = vault.open(sign_in("new"))

    vault.expire(key, "old")
    assert vault.find(key) is not None
    vault.expire(key, "new")
    assert vault.find(key) is None


def test_a_flood_of_sign_ins_drops_the_one_unused_longest() -> None:
    vault = Vault(capacity=2, clock=lambda: 0.0)
    first, second = vault.open(sign_in("a")), vault.open(sign_in("b"))
    vault.find(first)
    vault.open(sign_in("c"))

    assert (vault.find(first) is not None, vault.find(second) is not None, len(vault)) == (True, False, 2)


def test_a_flood_by_one_user_drives_out_nobody_else() -> None:
    vault = Vault(capacity=100, per_user=3, clock=lambda: 0.0)
    adas = vault.open(replace(sign_in("a"), user_id="ada"))
    eves = [vault.open(replace(sign_in("e"), user_id="eve")) for _ in range(10)]

    assert vault.find(adas) is not None
    assert [vault.find(key) is not None for key in eves] == [False] * 7 + [True] * 3


def test_cookies_are_kept_until_the_browser_has_shown_them() -> None:
    vault = Vault(clock=lambda: 0.0)
    key = vault.open(sign_in("a", "r1"))
    vault.renew(key, "r1", replace(sign_in("b", "r2"), set_cookies=("authkeep_refresh=r2",)))
    sent_again = [vault.belonging_to(key, token) for token in ("r1", "r2", "r1")]

    assert [found.set_cookies for found in sent_again if found] == [("authkeep_refresh=r2",), (), ()]


def test_tokens_stay_out_of_logs() -> None:
    assert "secret" not in repr(sign_in("secret", "secret"))


def test_threads_share_it() -> None:
    vault = Vault(capacity=50, per_user=50, clock=lambda: 0.0)

    def work() -> None:
        for _ in range(300):
            key = vault.open(sign_in("a"))
            vault.renew(key, "r1", sign_in("b"))
            vault.find_for(key, "r1")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(vault) == 50
