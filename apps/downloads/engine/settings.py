"""How the libtorrent session is set up, and why."""

import ipaddress
from dataclasses import dataclass

import libtorrent as lt

TRACKER_TIMEOUT = 25  # seconds without an answer until a tracker counts as unreachable (SPEC 9)
MAX_METADATA = 2_000_000  # bytes of metadata that a peer may send for a magnet: the limit of a .torrent file as well


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """`listen_interfaces` as libtorrent writes it: "0.0.0.0:6881,[::]:6881"; port 0 takes a free one.

    `trusted_hosts` are the hosts (names or addresses, no port) of trackers that may live on a private address.
    """

    listen_interfaces: str = "0.0.0.0:6881,[::]:6881"
    trusted_hosts: frozenset[str] = frozenset()
    connections: int = 500
    discovery: bool = True  # find peers by DHT and the local network too, and open the router's port
    progress_interval: float = 0.5  # seconds between two looks at every torrent's progress

    @property
    def is_local(self) -> bool:
        """Whether the session can be reached from loopback or a private network only."""
        hosts = [item.rpartition(":")[0].strip(" []") for item in self.listen_interfaces.split(",") if item.strip()]
        return bool(hosts) and all(_is_private(host) for host in hosts)


def _is_private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False  # a network device: nobody can say from here where it leads
    return not address.is_global and not address.is_unspecified


def session_params(settings: EngineSettings) -> lt.session_params:
    """Nothing is auto-managed: which torrents run is the hunter's decision, not a queue's."""
    params = lt.session_params()
    params.settings = _pack(settings)
    # pread: a full disk is an error to report; with mmap it would be a SIGBUS.
    params.disk_io_constructor = "pread_disk_io_constructor"
    return params


def _pack(settings: EngineSettings) -> "lt.settings_pack":
    return {
        "listen_interfaces": settings.listen_interfaces,
        "alert_mask": alert_mask(readers=False),
        "alert_queue_size": 10_000,
        "connections_limit": settings.connections,
        "max_metadata_size": MAX_METADATA,
        "tracker_receive_timeout": TRACKER_TIMEOUT,
        "tracker_completion_timeout": TRACKER_TIMEOUT,
        "stop_tracker_timeout": 2,
        # Seconds until a peer that hung up is called again: the default of 60 makes every resume wait a minute.
        "min_reconnect_time": 3,
        "ssrf_mitigation": True,
        "validate_https_trackers": True,
        "announce_to_all_trackers": True,
        "announce_to_all_tiers": True,
        **_limits_off(),
        **_reach(settings),
        **_throughput(),
    }


def _limits_off() -> "lt.settings_pack":
    return {
        "active_downloads": -1,
        "active_seeds": -1,
        "active_limit": -1,
        "active_tracker_limit": -1,
        "active_dht_limit": -1,
        "active_lsd_limit": -1,
    }


def _reach(settings: EngineSettings) -> "lt.settings_pack":
    """A session on a private interface stays there: uTP and encryption, made for the uplink, only slow it down."""
    local = settings.is_local
    discover = settings.discovery and not local
    return {
        "enable_dht": discover,
        "enable_lsd": discover,
        "enable_upnp": discover,
        "enable_natpmp": discover,
        "enable_outgoing_utp": not local,
        "enable_incoming_utp": not local,
        "out_enc_policy": int(lt.enc_policy.disabled if local else lt.enc_policy.enabled),
        "allow_multiple_connections_per_ip": local,
    }


def _throughput() -> "lt.settings_pack":
    return {
        "aio_threads": 4,
        "hashing_threads": 2,
        "max_queued_disk_bytes": 64 << 20,
        "send_buffer_watermark": 4 << 20,
        "recv_socket_buffer_size": 1 << 20,
        "send_socket_buffer_size": 1 << 20,
        "max_out_request_queue": 1500,
        "unchoke_slots_limit": 50,
        "file_pool_size": 200,
    }


def alert_mask(*, readers: bool) -> int:
    """Every finished piece is an alert, and a wake-up that costs speed: wanted only while a reader waits for one."""
    category = lt.alert_category
    mask = category.error | category.status | category.storage | category.tracker
    return int(mask | category.piece_progress if readers else mask)
