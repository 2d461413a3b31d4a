"""The address of a model endpoint, as an administrator writes it, checked before anything is sent there."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

_IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")
_PATH = re.compile(r"[A-Za-z0-9/._~!$&'()*+,;=:@%-]*")
_ENDPOINT_PATHS = ("/chat/completions", "/completions", "/models", "/embeddings")

# Where clouds hand out the machine's own credentials. No model answers there; a mistyped or rebound name might lead.
_METADATA_ADDRESSES = frozenset(
    map(ipaddress.ip_address, ("169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254"))
)


class InvalidBaseUrl(ValueError):
    """The base URL cannot be used; the text says what is wrong and what to write, and holds no password."""


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """Where an endpoint listens. `path` has no slash at its end and may be empty."""

    tls: bool
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """The Host field (RFC 9110, section 7.2): the port is left out where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    @property
    def is_nearby(self) -> bool:
        """Whether the host is this machine, a private address, or a name without a dot, such as a container's."""
        try:
            return ipaddress.ip_address(self.host).is_private
        except ValueError:
            return "." not in self.host or self.host.endswith((".local", ".internal", ".localhost"))


def parse_base_url(text: str) -> BaseUrl:
    """Read `text`, such as "https://llm.example/v1"; with no path at all, "/v1" is meant.

    Raises:
        InvalidBaseUrl: it is not an absolute http(s) URL of a host, or leads where no model can be.
    """
    text = text.strip()
    if re.search(r"[\x00-\x20\x7f\\]", text):
        raise InvalidBaseUrl("contains a space, a control character or a backslash")
    parts = _split(text)
    if parts.scheme not in {"http", "https"}:
        raise InvalidBaseUrl("must begin with http:// or https://, such as http://127.0.0.1:11434/v1")
    if "@" in parts.netloc:
        raise InvalidBaseUrl("must not contain a user name or password; the key has a setting of its own")
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise InvalidBaseUrl("must not contain a query (?...) or a fragment (#...)")
    tls = parts.scheme == "https"
    return BaseUrl(tls, _host(parts), _port(parts) or (443 if tls else 80), _path(parts.path))


def is_forbidden_address(address: str) -> bool:
    """Whether no model may be asked at this IP address: link-local (cloud metadata among it), multicast, unspecified.

    Loopback and private networks are allowed: that is where most self-hosted models listen.
    """
    ip: _IpAddress = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip in _METADATA_ADDRESSES


def _split(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError:
        raise InvalidBaseUrl("is not a URL; an IPv6 address stands in brackets, such as http://[::1]:8080/v1") from None


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if not host:
        raise InvalidBaseUrl("has no host name, such as in http://127.0.0.1:11434/v1")
    last_label = host.rstrip(".").rpartition(".")[2]
    if ":" in host or last_label.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last_label):
        return _ip_host(host)
    if not _HOST_NAME.fullmatch(host) or len(host) > 253:
        raise InvalidBaseUrl("has an invalid host name; an international name is written in its xn-- form")
    return host


def _ip_host(host: str) -> str:
    """Resolvers take 0x7f.1 and 2130706433 for addresses, people do not: only the canonical notation is accepted."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        raise InvalidBaseUrl("has an odd IP address; write it as four decimal numbers, such as 127.0.0.1") from None
    if isinstance(ip, ipaddress.IPv6Address) and ip.scope_id:
        raise InvalidBaseUrl("must not contain an IPv6 zone (%...)")
    if is_forbidden_address(host):
        raise InvalidBaseUrl("leads to a link-local, multicast or unspecified address, where no model can be")
    return str(ip)


def _port(parts: SplitResult) -> int | None:
    try:
        port = parts.port
    except ValueError:
        raise InvalidBaseUrl("has an invalid port; ports are 1 to 65535") from None
    if port == 0:
        raise InvalidBaseUrl("has an invalid port; ports are 1 to 65535")
    return port


def _path(path: str) -> str:
    path = path.rstrip("/")
    if not path:
        return "/v1"
    if not _PATH.fullmatch(path) or "/../" in f"{path}/":
        raise InvalidBaseUrl("has a path with characters that must be percent-encoded, or with '..'")
    for ending in _ENDPOINT_PATHS:
        if path.endswith(ending):
            raise InvalidBaseUrl(f"must end before {ending}, usually in /v1")
    return path
