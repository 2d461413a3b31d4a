"""The address a request came from, as far as it can be believed.

`X-Forwarded-For` is a claim by whoever sent it. It counts only where the peer is a proxy the operator named, or
proves itself with a shared key; and then only its right end, which that proxy wrote itself.
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_MAX_HOPS = 16


@dataclass(frozen=True, slots=True)
class Address:
    """Attributes:
    text: normal form, IPv4-mapped IPv6 folded to IPv4; `unknown` when there is none (a Unix socket).
    limit_key: what limits count by: the address for IPv4, the /64 for IPv6, since a single subscriber is
        given at least that much and can hop through it for free.
    """

    text: str
    limit_key: str


UNKNOWN = Address("unknown", "unknown")


def parse_address(text: str | None) -> Address | None:
    """None when the text is not an address; brackets, a port and a zone are accepted and dropped."""
    ip = _parse_ip(text)
    if ip is None:
        return None
    if isinstance(ip, IPv6Address):
        return Address(str(ip), str(IPv6Network((int(ip) >> 64 << 64, 64))))
    return Address(str(ip), str(ip))


def _parse_ip(text: str | None) -> IPv4Address | IPv6Address | None:
    if not text or len(text) > 64:
        return None
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        ip = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Which peers may speak for others.

    Attributes:
        networks: addresses or CIDR blocks of reverse proxies. Empty by default: not even loopback is trusted,
            since anything on the machine can connect from there.
        forwarding_key: a secret that a peer presents in `forwarding_header` to count as a trusted proxy.

    Raises:
        ValueError: a network is not an address or a CIDR block, or the key is shorter than 32 characters.
    """

    networks: Sequence[str] = ()
    forwarding_key: str | None = field(default=None, repr=False)
    forwarding_header: str = "X-Authkeep-Forwarding-Key"
    _networks: tuple[IPv4Network | IPv6Network, ...] = field(init=False, repr=False, compare=False)
    _key_header: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.forwarding_key is not None and len(self.forwarding_key) < 32:
            raise ValueError("forwarding_key is a secret and needs at least 32 characters")
        try:
            networks = tuple(ip_network(text.strip(), strict=False) for text in self.networks)
        except ValueError as error:
            raise ValueError(f"trusted proxies: {error}") from error
        object.__setattr__(self, "_networks", networks)
        object.__setattr__(self, "_key_header", self.forwarding_header.lower().encode("latin-1"))

    def resolve(self, peer: str | None, headers: Iterable[tuple[bytes, bytes]]) -> tuple[Address, str | None]:
        """The client's address, and the scheme it used where a trusted proxy says so.

        Args:
            peer: the other end of the connection, as the server reports it.
            headers: raw ASGI headers, names in lower case.
        """
        nearest = parse_address(peer) or UNKNOWN
        if not self._networks and self.forwarding_key is None:
            return nearest, None
        forwarded: list[bytes] = []
        scheme: str | None = None
        key: bytes | None = None
        for name, value in headers:
            if name == b"x-forwarded-for":
                forwarded.append(value)
            elif name == b"x-forwarded-proto":
                scheme = value.decode("latin-1").rpartition(",")[2].strip().lower()
            elif name == self._key_header:
                key = value
        if not (self._proves_itself(key) or self._is_trusted(_parse_ip(peer))):
            return nearest, None
        return self._walk(nearest, b",".join(forwarded)), scheme

    def _walk(self, nearest: Address, forwarded: bytes) -> Address:
        """From the right: the first hop that is not a trusted proxy. What stands left of it is hearsay."""
        for hop in reversed(forwarded[-2048:].decode("latin-1").split(",")[-_MAX_HOPS:]):
            address = parse_address(hop)
            if address is None:
                return nearest
            nearest = address
            if not self._is_trusted(_parse_ip(hop)):
                return nearest
        return nearest

    def _is_trusted(self, ip: IPv4Address | IPv6Address | None) -> bool:
        return ip is not None and any(ip.version == network.version and ip in network for network in self._networks)

    def _proves_itself(self, key: bytes | None) -> bool:
        if key is None or self.forwarding_key is None:
            return False
        return hmac.compare_digest(key, self.forwarding_key.encode("utf-8"))
