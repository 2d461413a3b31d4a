"""Which addresses this server may be sent to: the operator's issuer, and the endpoints that its metadata names.

Users choose none of them. What is left to guard against is a provider, or somebody who got into its metadata, that
sends us to places only this machine can reach.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

_MAX_LENGTH = 512
# Printable ASCII but for the characters that URL parsers disagree about.
_PLAIN = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]+", re.ASCII)
_HOST_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*\.?", re.ASCII)
# The cloud's metadata, where the machine's own credentials are to be had. Link-local addresses are refused as such.
_METADATA = {ip_address("fd00:ec2::254"), ip_address("100.100.100.200")}


def check_issuer(url: str) -> str:
    """An issuer: https, or http on this machine for development (OpenID Connect Discovery, section 3).

    Raises:
        ValueError: it is none.
    """
    parts = _checked(url)
    if parts.scheme == "http" and not _is_loopback(parts):
        raise ValueError("must begin with https://, unless the provider runs on this very machine")
    if set("?#") & set(url):
        raise ValueError("must have no query and no fragment")
    return url


def check_endpoint(url: object, issuer: str) -> str:
    """An endpoint of that issuer: https, and on this machine only if the issuer is there too.

    Raises:
        ValueError: it is none.
    """
    if type(url) is not str:
        raise ValueError("must be text")
    parts = _checked(url)
    may_be_local = _is_loopback(urlsplit(issuer))
    if "#" in url or (_is_loopback(parts) and not may_be_local) or (parts.scheme == "http" and not _is_loopback(parts)):
        raise ValueError("must be an https:// address of another machine, without a fragment")
    return url


def _checked(url: str) -> SplitResult:
    if len(url) > _MAX_LENGTH or not _PLAIN.fullmatch(url):
        raise ValueError(f"must be a plain address of at most {_MAX_LENGTH} characters")
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("must be an https:// address with a host name, and without a user name or password")
    if parts.port == 0 or not _is_reachable_host(parts.hostname):
        raise ValueError("must name a host that a provider can have")
    return parts


def _is_reachable_host(host: str) -> bool:
    address = _address_of(host)
    if address is not None:
        odd = address.is_link_local or address.is_unspecified or address.is_multicast or address in _METADATA
        return not odd
    # 127.1, 0x7f000001 and 2130706433 are addresses to the operating system, whatever they are to us.
    last = host.rstrip(".").rpartition(".")[2]
    return _HOST_NAME.fullmatch(host) is not None and not re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last)


def _address_of(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_loopback(parts: SplitResult) -> bool:
    host = (parts.hostname or "").rstrip(".")
    address = _address_of(host)
    return address.is_loopback if address else host == "localhost" or host.endswith(".localhost")
