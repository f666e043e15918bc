"""Typed configuration, read once, validated in one place.

The process environment wins over `.env` in the working folder (or the file that DOTENV names), which wins over
`DATA_DIR/.env` (where `make up` keeps what it generated). Any variable NAME may come from the file that NAME_FILE points
to. An empty value means unset.
`ENV` is what was read; `require_complete()` stops a process that lacks something, with one line per fault.
"""

import functools
import ipaddress
import itertools
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from sokoul.naming import EpisodeTemplate, Extras, MovieTemplate

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
REREAD_SECONDS = 30.0


def _url(*schemes: str, several: bool = False, host_needed: bool = False) -> AfterValidator:
    """A URL of one of these schemes; `several` of them may stand there, separated by commas."""
    fault = f"must be a URL that begins with {' or '.join(scheme + '://' for scheme in schemes)}"

    def check(value: str) -> str:
        for url in value.split(",") if several else [value]:
            try:
                parts = urlsplit(url.strip())
                _ = parts.port
            except ValueError:  # its text quotes the value, which may hold a password
                raise ValueError(f"{fault}, with a number as its port; escape / ? # : @ in a password") from None
            path = "" if host_needed else parts.path.strip("/")
            if parts.scheme not in schemes or not (parts.hostname or path):
                raise ValueError(fault)
        return value

    return AfterValidator(check)


def _mail(value: str) -> str:
    """`console:`, or an SMTP server."""
    fault = "must be console: or begin with smtp:// or smtps://"
    try:
        parts = urlsplit(value)
        if value != "console:" and (parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.port == 0):
            raise ValueError(fault)
    except ValueError:  # its text may quote the password
        raise ValueError(fault) from None
    return value


def _list(value: object) -> object:
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _strong(value: str) -> str:
    if any(len(line.strip().encode()) < 32 for line in value.splitlines() if line.strip()):
        raise ValueError("must be at least 32 bytes long")
    return value


def _feeds(value: object) -> object:
    """`name=url|apikey, …` as {name: (url, key)}."""
    if not isinstance(value, str):
        return value
    feeds: dict[str, tuple[str, str]] = {}
    for item in filter(None, map(str.strip, value.split(","))):
        name, found, rest = item.partition("=")
        url, _, key = rest.partition("|")
        if not found or not url.strip().startswith(("http://", "https://")):
            raise ValueError("must be name=http://host/path|apikey, separated by commas")
        feeds[name.strip()] = (url.strip(), key.strip())
    return feeds


Folder = Annotated[Path, AfterValidator(Path.expanduser)]
HttpUrl = Annotated[str, _url("http", "https", host_needed=True)]
Strings = Annotated[list[str], BeforeValidator(_list)]
Networks = Annotated[list[Network], BeforeValidator(_list)]
Feeds = Annotated[dict[str, tuple[str, str]], BeforeValidator(_feeds)]
Switch = bool
Seconds = Annotated[float, Field(gt=0)]


class Environment(BaseModel):
    """Every variable of Sokoul; the field NAME in capitals is the variable. The description goes to `.env.example`."""

    # --- required: `make up` fills in whatever is missing -----------------------------------------------------------
    database_url: Annotated[str, _url("postgresql", "postgres")] = Field(
        "",
        description="PostgreSQL, the truth of every job.",
        examples=["postgresql://sokoul:password@localhost:5432/sokoul_db"],
    )
    redis_url: Annotated[str, _url("redis", "rediss", "unix")] = Field(
        "",
        description="Valkey or Redis: cache, limits, socket fan-out.",
        examples=["redis://:password@localhost:6379/0"],
    )
    nats_url: Annotated[str, _url("nats", "tls", several=True, host_needed=True)] = Field(
        "", description="NATS with JetStream, which carries the jobs.", examples=["nats://token@localhost:4222"]
    )
    tmdb_api_key: str = Field(
        "",
        description="Key of The Movie Database (v3 key or v4 token); several separated by commas.",
        examples=["your-tmdb-key"],
    )
    telegram_bot_token: str = Field(
        "", description="Token of your bot, from @BotFather.", examples=["123456:your-bot-token"]
    )
    jwt_secret: Annotated[str, AfterValidator(_strong)] = Field(
        "",
        description="Signs the API's tokens; at least 32 bytes. One a line: the first signs, all verify.",
        examples=["the output of: openssl rand -base64 48"],
    )
    # --- the installation -------------------------------------------------------------------------------------------
    port: int = Field(3000, ge=1, le=65535, description="Port of the web interface and the API.")
    bind: str = Field("127.0.0.1", description="Address that the web server listens on; 0.0.0.0 for every network.")
    data_dir: Folder = Field(Path("var"), description="Everything that this installation keeps.")
    download_dir: Folder | None = Field(
        None, description="Where torrents are downloaded (default: DATA_DIR/downloads)."
    )
    library_dir: Folder | None = Field(
        None, description="Where finished films and series are filed (default: DATA_DIR/library)."
    )
    import_dirs: Strings = Field(
        [],
        description="Folders, separated by commas, below which admins may pick what the dashboard imports (LIBRARY_DIR always is one).",
    )
    public_url: HttpUrl | None = Field(
        None,
        description="The address people use, for links; https turns on HSTS and secure cookies (default: http://localhost:PORT).",
    )
    allowed_hosts: Strings = Field(
        [], description="Further host names that requests may carry (PUBLIC_URL's and loopback are always allowed)."
    )
    secret_key: Annotated[str, AfterValidator(_strong)] = Field(
        "",
        description="Signs web sessions; at least 32 bytes (default: derived from JWT_SECRET). One a line: the first signs, all "
        "verify.",
    )
    admin_email: str = Field("admin@localhost.localdomain", description="E-mail address of the first admin.")
    admin_password: str = Field("", description="Password of the first admin (default: generated and printed once).")
    email_url: Annotated[str, AfterValidator(_mail)] = Field(
        "console:",
        description="How mail leaves: console: (into the log) or smtp://user:password@host:587 (smtps:// for TLS from the "
        "start; smtp:// turns to TLS where there is a password); ?from=address says who writes.",
    )
    default_language: Literal["en", "fr"] = Field("en", description="Language of people who have not chosen one.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The least level that is logged."
    )
    demo: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Built-in stand-ins for TMDB, indexer, Telegram and a swarm: auto where a provider is missing, "
        "on for all, off for none.",
    )
    session_days: int = Field(
        30, ge=1, le=365, description="Days after which a sign-in on the pages ends, however much it is used."
    )
    refresh_days: int = Field(
        90, ge=1, le=365, description="Days after which a sign-in by the API ends, however often it is refreshed."
    )
    # --- signing in with an OpenID Connect provider ------------------------------------------------------------------
    oidc_issuer: HttpUrl | None = Field(
        None,
        description="Lets people sign in with this OpenID Connect provider, too: its issuer, exactly as it calls itself.",
        examples=["https://auth.example.com/application/o/sokoul/"],
    )
    oidc_client_id: str = Field("", description="As the provider knows this Sokoul.")
    oidc_client_secret: str = Field(
        "", description="The secret that goes with OIDC_CLIENT_ID; none for a public client."
    )
    oidc_name: str = Field("OpenID Connect", description="What the button calls the provider: Sign in with …")
    oidc_scopes: str = Field("openid email profile", description="What the provider is asked to tell.")
    oidc_sign_up: Switch = Field(
        False,
        description="May people with a confirmed address at the provider open accounts? Off: they link theirs first.",
    )
    # --- providers --------------------------------------------------------------------------------------------------
    tmdb_url: HttpUrl = Field("https://api.themoviedb.org/3", description="TMDB's API.")
    tmdb_image_url: HttpUrl = Field("https://image.tmdb.org/t/p", description="TMDB's pictures.")
    prowlarr_url: HttpUrl | None = Field(None, description="Your Prowlarr, for instance http://localhost:9696.")
    prowlarr_api_key: str = Field("", description="Prowlarr's API key (Settings, General).")
    torznab_feeds: Feeds = Field({}, description="Torznab feeds: name=url|apikey, separated by commas.")
    telegram_api_url: HttpUrl = Field(
        "https://api.telegram.org/bot", description="Telegram's Bot API, up to the token."
    )
    telegram_webhook_secret: str = Field(
        "", description="Take updates by webhook instead of polling; the secret that Telegram must send along."
    )
    # --- doors ------------------------------------------------------------------------------------------------------
    trusted_ips: Networks = Field(
        [], description="Addresses or CIDRs that no rate limit applies to and that may read /metrics."
    )
    trusted_proxies: Networks = Field([], description="Reverse proxies whose X-Forwarded-For is believed.")
    webhook_hosts: Strings = Field(
        [], description="Hosts that people's own webhooks may go to although their address is private."
    )
    anonymous_search: Switch = Field(True, description="May strangers search titles?")
    metrics_token: str = Field("", description="Bearer token for /metrics (default: only loopback and TRUSTED_IPS).")
    # --- downloads --------------------------------------------------------------------------------------------------
    torrent_listen_interfaces: str = Field("0.0.0.0:6881,[::]:6881", description="Where the torrent client listens.")
    seed_ratio: float = Field(1.0, ge=0, description="Stop seeding at this ratio of uploaded to downloaded bytes.")
    seed_hours: float = Field(24, ge=0, le=24, description="Stop seeding after this many hours, whatever the ratio.")
    metadata_timeout: Seconds = Field(600, description="Seconds that a magnet may look for its metadata.")
    stall_timeout: Seconds = Field(3600, description="Seconds that a download may go without a byte.")
    keep_partial: Switch = Field(False, description="Keep the files of a download that failed or was cancelled.")
    # --- following --------------------------------------------------------------------------------------------------
    rss_minutes: float = Field(
        15, ge=1, le=1440, description="Minutes between two looks at what is new at the indexers."
    )
    follow_searches: int = Field(
        60, ge=1, le=1000, description="Searches that Sokoul starts by itself in an hour, at most."
    )
    # --- the library ------------------------------------------------------------------------------------------------
    naming_movie: MovieTemplate = Field(
        "Movies/{title} ({year})/{title} ({year}) - {quality}",
        description="Where a film is filed below LIBRARY_DIR, without its ending; docs/library.md has the tokens.",
    )
    naming_episode: EpisodeTemplate = Field(
        "Series/{title} ({year})/Season {season:02}/{title} - S{season:02}E{episode:02}",
        description="Where an episode is filed.",
    )
    link_mode: Literal["hardlink", "refuse", "copy"] = Field(
        "hardlink",
        description="How files come into the library. hardlink: copied where no link can be, and the admins are told; refuse: "
        "the download fails then; copy: always copied.",
    )
    library_extras: Extras = Field(
        ["subtitles", "extras"],
        description="What is filed beside a video: subtitles, nfo, extras (trailers, featurettes); separated by commas, none "
        "for nothing.",
    )
    recycle_days: float = Field(
        7,
        ge=0,
        description="Days that LIBRARY_DIR/.recycle keeps what a better release replaced; 0 deletes it at once.",
    )
    # --- tuning -----------------------------------------------------------------------------------------------------
    hunter_lease: Seconds = Field(20, description="Seconds after which another hunter takes over from a silent one.")
    job_lease: Seconds = Field(30, description="Seconds after which a job of a silent worker is run again.")
    web_threads: int = Field(8, ge=1, le=64, description="Requests that one web process works on at a time.")
    worker_slots: int = Field(8, ge=1, le=64, description="Jobs that one worker runs at a time.")
    database_pool: int = Field(10, ge=2, le=100, description="Database connections of one process, at most.")
    nats_replicas: int = Field(1, ge=1, le=5, description="Copies of each stream; 3 on a cluster of three.")

    @property
    def downloads(self) -> Path:
        return (self.download_dir or self.data_dir / "downloads").absolute()

    @property
    def library(self) -> Path:
        return (self.library_dir or self.data_dir / "library").absolute()

    @property
    def address(self) -> str:
        return (self.public_url or f"http://localhost:{self.port}").rstrip("/")


REQUIRED = ("database_url", "redis_url", "nats_url", "tmdb_api_key", "telegram_bot_token", "jwt_secret")
PROVIDERS = ("tmdb_api_key", "telegram_bot_token")


def read_dotenv(path: Path) -> dict[str, str]:
    """NAME=value lines; `#` comments, optional `export` and quotes. A missing file is an empty one."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        stop(f"{path}: cannot be read ({error.strerror}). Make it readable for this user, or remove it.")
    values: dict[str, str] = {}
    for line in lines:
        name, found, value = line.strip().removeprefix("export ").partition("=")
        if found and not name.startswith("#"):
            values[name.strip()] = _unquoted(value.strip())
    return values


def _unquoted(value: str) -> str:
    """What stands between quotes (double ones: with `\\n` for a new line); without quotes, a ` #` begins a comment."""
    if value[:1] in {"'", '"'} and (end := value.find(value[0], 1)) > 0:
        return value[1:end].replace("\\n", "\n") if value[0] == '"' else value[1:end]
    return value.split(" #")[0].rstrip() if not value.startswith("#") else ""


def gather(environ: dict[str, str] | None = None, *, generated: bool = True) -> dict[str, str]:
    """Every variable that is set, by its name in capitals; environment over `.env` over `DATA_DIR/.env`.

    `generated=False` leaves `DATA_DIR/.env` out: only what a person has set.
    """
    environ = dict(os.environ) if environ is None else environ
    layers = [environ, read_dotenv(Path(environ.get("DOTENV") or ".env"))]
    if generated:
        data_dir = next((layer["DATA_DIR"] for layer in layers if layer.get("DATA_DIR")), "var")
        layers.append(read_dotenv(Path(data_dir).expanduser() / ".env"))
    values: dict[str, str] = {}
    for layer in reversed(layers):
        values |= _with_files({name: value for name, value in layer.items() if value})
    return values


def _with_files(layer: dict[str, str]) -> dict[str, str]:
    """The layer with NAME read from the file that NAME_FILE names; empty where that cannot be read."""
    read: dict[str, str] = {}
    for field in Environment.model_fields:
        if path := layer.get(f"{field.upper()}_FILE"):
            try:
                read[field.upper()] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                read[field.upper()] = ""
    return {**layer, **read}


def parse(values: dict[str, str]) -> tuple[Environment, dict[str, str]]:
    """What could be read, and {NAME: what is wrong} for the rest (which keeps its default)."""
    known = {f: v for f in Environment.model_fields if (v := values.get(f.upper(), "").strip())}
    faults: dict[str, str] = {}
    for field in Environment.model_fields:
        if field not in known and f"{field.upper()}_FILE" in values:
            faults[field.upper()] = f"the file that {field.upper()}_FILE names is empty or cannot be read"
    while True:
        try:
            environment = Environment.model_validate(known)
            break
        except ValidationError as error:
            for problem in error.errors():
                field = str(problem["loc"][0])
                faults[field.upper()] = problem["msg"].removeprefix("Value error, ")
                known.pop(field, None)
    for field in REQUIRED:
        if not getattr(environment, field) and field.upper() not in faults:
            faults[field.upper()] = "missing"
    return environment, faults


def explain(faults: dict[str, str]) -> str:
    """One line a fault: the variable, what is wrong, what a good value looks like; never the value."""
    lines = []
    for name, fault in faults.items():
        field = Environment.model_fields[name.lower()]
        example = (field.examples or [None])[0]
        default = "" if field.is_required() else _written(field.default)
        good = f" For example: {example}" if example else f" Default: {default}" if default else ""
        lines.append(f"{name}: {fault}. {field.description}{good}")
    return "\n".join(lines)


ENV, FAULTS = parse(gather())


def require_complete() -> None:
    """Stop the process with exit status 2 unless everything that it needs is there and well formed."""
    if FAULTS:
        stop(explain(FAULTS))


def stop(message: str) -> NoReturn:
    sys.stderr.write(message + "\n")
    raise SystemExit(2)


RINGS = ("JWT_SECRET", "SECRET_KEY")  # one secret a line; other secrets are lists with commas
_LAST_SEEN: dict[str, str] = {}


def latest(name: str) -> str:
    """The value of a variable as it stands now, or as it last did: a file may just be replaced, and leaves nobody without."""
    if value := gather().get(name, "").strip(" \t\n,"):
        _LAST_SEEN[name] = value
    return value or _LAST_SEEN.get(name, "")


Moment = tuple[int, int]
_rereads = itertools.count(1)
_reread = 0


def moment() -> Moment:
    """Something else as soon as what was read has to be read again: every 30 s, and after `reread`."""
    return int(time.monotonic() / REREAD_SECONDS), _reread


@functools.lru_cache(maxsize=64)
def _at(name: str, _moment: Moment) -> str:
    return latest(name)


def current(name: str) -> str:
    """The value of a variable that may change while we run, as `latest` at this `moment`."""
    return _at(name, moment())


@functools.lru_cache(maxsize=64)
def _split(value: str, separator: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(separator) if part.strip())


def secrets_of(name: str) -> tuple[str, ...]:
    """All values of a secret that may be rotated (first one preferred), as `current`; never empty-string members."""
    return _split(current(name), "\n" if name in RINGS else ",")


def reread() -> None:
    """Forget what was read (SIGHUP)."""
    global _reread
    _reread = next(_rereads)


def _written(value: Any) -> str:
    """As it stands in a .env."""
    if value in ("", None, {}):
        return ""
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def example() -> str:
    """The text of `.env.example`: every variable with its default and a sentence."""
    blocks = [
        "# Sokoul's configuration. Copy to .env and fill in what you need; `make up` fills in the rest.",
        "# The environment wins over this file. Any NAME may also be given as NAME_FILE=/path/to/file.",
        "",
    ]
    for name, field in Environment.model_fields.items():
        shown = _written(field.default)
        required = "Required. " if name in REQUIRED else ""
        hint = f" Example: {field.examples[0]}" if field.examples else ""
        blocks += [f"# {required}{field.description}{hint}", f"{name.upper()}={shown}", ""]
    return "\n".join(blocks)
