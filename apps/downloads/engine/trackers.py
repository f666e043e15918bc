"""Which trackers may be asked: a torrent is no way into the operator's own network."""

import ipaddress
from urllib.parse import urlsplit, urlunsplit

from apps.downloads.engine.settings import EngineSettings

# Names that only a private network answers to (RFC 6761, 6762, 8375, and what routers and containers use).
_PRIVATE_SUFFIXES = (
    ".localhost",
    ".local",
    ".internal",
    ".lan",
    ".home.arpa",
    ".intranet",
    ".corp",
    ".home",
    ".localdomain",
)


def host_of(url: str) -> str:
    return (urlsplit(url).hostname or "").rstrip(".").lower()


def may_ask(url: str, settings: EngineSettings) -> bool:
    """Private trackers are the operator's own: those named in the configuration, or all on a private interface."""
    host = host_of(url)
    return settings.is_local or host in settings.trusted_hosts or not is_private_host(host)


def is_private_host(host: str) -> bool:
    """Whether `host`, a name or an address, says by itself that it is not on the public internet."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        # A number that inet_aton would read as an address ("2130706433", "0x7f.1") is nobody's honest tracker.
        return "." not in host or host.endswith(_PRIVATE_SUFFIXES) or host.rpartition(".")[2][:1].isdigit()
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global or address.is_multicast


def masked(url: str) -> str:
    """Scheme, host and port: path and query carry passkeys."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))
