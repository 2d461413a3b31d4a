import pytest
from hypothesis import given
from hypothesis import strategies as st

from authkeep import TrustedProxies
from authkeep.client_address import UNKNOWN, parse_address

PROXIES = TrustedProxies(["10.0.0.0/8", "2001:db8:ffff::/48", "192.0.2.1"])


def resolve(peer: str | None, *forwarded: str, proxies: TrustedProxies = PROXIES) -> str:
    return proxies.resolve(peer, [(b"x-forwarded-for", line.encode()) for line in forwarded])[0].text


@pytest.mark.parametrize(
    ("text", "shown", "limit_key"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:443", "203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.7"),
        ("2001:DB8::1", "2001:db8::1", "2001:db8::/64"),
        ("[2001:db8::1]:443", "2001:db8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
    ],
)
def test_one_address_has_one_form(text: str, shown: str, limit_key: str) -> None:
    address = parse_address(text)
    assert address is not None
    assert (address.text, address.limit_key) == (shown, limit_key)


@pytest.mark.parametrize(
    "text", ["", "unknown", "localhost", "1.2.3", "0x7f.1", "127.1", "1.2.3.4.5", "::1::", "x" * 99, None]
)
def test_what_is_not_an_address_is_none(text: str | None) -> None:
    assert parse_address(text) is None


def test_nobody_is_trusted_unless_named() -> None:
    assert resolve("127.0.0.1", "203.0.113.7", proxies=TrustedProxies()) == "127.0.0.1"
    assert resolve("198.51.100.9", "203.0.113.7") == "198.51.100.9"


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (["203.0.113.7"], "203.0.113.7"),
        (["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, 10.9.9.9"], "203.0.113.7"),
        (["1.1.1.1, 203.0.113.7, 10.9.9.9, 192.0.2.1"], "203.0.113.7"),
        (["1.1.1.1", "203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, garbage"], "10.0.0.1"),
        (["203.0.113.7, garbage, 10.9.9.9"], "10.9.9.9"),
        (["10.9.9.9"], "10.9.9.9"),
        ([], "10.0.0.1"),
        ([""], "10.0.0.1"),
    ],
)
def test_behind_proxies_the_last_untrusted_hop_is_the_client(forwarded: list[str], client: str) -> None:
    assert resolve("10.0.0.1", *forwarded) == client


def test_a_proxy_that_connects_by_mapped_ipv6_is_recognised() -> None:
    assert resolve("::ffff:10.0.0.1", "203.0.113.7") == "203.0.113.7"


def test_a_unix_socket_has_no_address() -> None:
    assert resolve(None, "203.0.113.7") == UNKNOWN.text


@given(st.lists(st.one_of(st.text(max_size=40), st.ip_addresses().map(str)), max_size=40))
def test_no_header_makes_it_fail_or_hide_behind_a_trusted_name(hops: list[str]) -> None:
    line = ",".join(hops).encode("utf-8", "surrogatepass")
    address, _ = PROXIES.resolve("10.0.0.1", [(b"x-forwarded-for", line)])
    assert parse_address(address.text) == address


@pytest.mark.parametrize("networks", [["10.0.0.0/99"], ["proxy.example"], [""], ["10.0.0.1;"]])
def test_a_network_that_is_none_is_refused_at_start(networks: list[str]) -> None:
    with pytest.raises(ValueError, match="trusted proxies"):
        TrustedProxies(networks)


def test_a_forwarding_key_is_a_secret_and_is_kept_out_of_logs() -> None:
    with pytest.raises(ValueError, match="32 characters"):
        TrustedProxies(forwarding_key="short")
    assert "sesame" not in repr(TrustedProxies(forwarding_key="sesame" * 8))


def test_a_forwarding_key_is_not_fooled_by_a_second_header() -> None:
    proxies = TrustedProxies(forwarding_key="k" * 32)
    headers = [(b"x-authkeep-forwarding-key", b"\xff"), (b"x-forwarded-for", b"203.0.113.7")]
    assert proxies.resolve("198.51.100.9", headers)[0].text == "198.51.100.9"
