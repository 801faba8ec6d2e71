"""Which hosts the bot may send to. A token that reaches a wrong one is lost, so the list is exact."""

import functools
import ipaddress
from collections.abc import Iterable

from yarl import URL

__all__ = ["SHAREPOINT", "Hosts", "is_loopback", "parse"]

# Where organisations keep their files, each below a name of its own.
SHAREPOINT = (".sharepoint.com", ".sharepoint.us", ".sharepoint-mil.us", ".sharepoint.cn")

_LONGEST_NAME = 253
# Never all of .trafficmanager.net: anyone can register a name there.
_TEAMS = "smba.trafficmanager.net"
_TEAMS_BELOW = (".smba.trafficmanager.net", ".botframework.com")


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address means this machine."""
    return host is not None and 0 < len(host) <= _LONGEST_NAME and _is_loopback(host)


@functools.lru_cache(500)
def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def parse(address: str) -> URL | None:
    """An http(s) address exactly as the HTTP client will understand it; None for anything odd."""
    return _parse_again(address) if len(address) <= _SHORT else _parse(address)


def _parse(address: str) -> URL | None:
    if not address.isascii() or not address.isprintable() or any(character in address for character in ' \\"<>'):
        return None
    try:
        url = URL(address)
        if url.scheme not in ("http", "https") or not url.host or url.user is not None or url.password is not None:
            return None
        return url if url.port else None
    except ValueError:
        return None


# Every activity and every request names one of the same few services.
_SHORT = 200
_parse_again = functools.lru_cache(500)(_parse)


class Hosts:
    """The hosts that Teams answers go to.

    `listed` are further exact hosts, `name` or `name:port`. Plain http is for listed hosts on this machine only.
    With `loopback_only` (no credentials) nothing but this machine is trusted.
    """

    def __init__(self, listed: Iterable[str] = (), *, loopback_only: bool = False) -> None:
        self._listed = frozenset(name.rpartition("://")[2].rstrip("/").lower() for name in listed)
        self._loopback_only = loopback_only

    def trusts(self, address: str | URL) -> bool:
        """Whether this address may be talked to, with the bot's token where there is one."""
        url = parse(address) if isinstance(address, str) else address
        if url is None or not url.host:
            return False
        host = url.host.lower()
        if self._loopback_only:
            return is_loopback(host)
        if self._is_listed(host, url.port):
            return url.scheme == "https" or is_loopback(host)
        return url.scheme == "https" and url.port == 443 and (host == _TEAMS or host.endswith(_TEAMS_BELOW))

    def _is_listed(self, host: str, port: int | None) -> bool:
        name = f"[{host}]" if ":" in host else host
        return name in self._listed or f"{name}:{port}" in self._listed
