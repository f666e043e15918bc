"""Who may do what: every route with its methods, every event, every command of the bot and of the operator, in one table.

`tests/integration/test_permissions.py` walks the product and fails where a row is missing, or is there for nothing. To add a
route, add a `Row` for each of its methods, where its neighbours stand:

    Row("POST downloads/start", SIGNED_IN, 202, lambda t: {"media_id": t["film"]}),

the method and the pattern as `urls.py` has it, who is let in, the status that they get, and a body where one is needed. Objects
in the address and in bodies are alice's (the owner's): `t` is what `test_permissions.things` made, by the names of the address's
own parts (`download_id`), or by those that `at` gives them instead: `at={"download_id": "failed"}`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

ROLES = ("stranger", "other", "owner", "moderator", "admin")
ANYONE = frozenset(ROLES)
SIGNED_IN = ANYONE - {"stranger"}
OWNER = frozenset({"owner"})  # only whose object it is: staff do not look into other people's things by these ways
MODERATORS = frozenset({"moderator", "admin"})
ADMINS = frozenset({"admin"})
NOBODY: frozenset[str] = frozenset()
OPERATOR = "operator"  # whoever has a shell on the machine

Things = Mapping[str, Any]
Body = Callable[[Things], dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """`but`: who of those that are let in gets another status. `shows`: other people's things are what it is for.
    `writes`: a GET that changes something all the same, and why."""

    call: str
    who: frozenset[str]
    status: int
    body: Body | None = None
    at: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    but: Mapping[str, int] = field(default_factory=dict)
    shows: bool = False
    writes: str = ""

    @property
    def method(self) -> str:
        return self.call.partition(" ")[0]

    @property
    def route(self) -> str:
        return self.call.partition(" ")[2]

    def wanted(self, role: str) -> int:
        return self.but.get(role, self.status)


def _fields(**values: Any) -> Body:
    return lambda _: values


NEW = _fields(email="new@example.com", username="new", password="long enough 123")

API = [
    Row("GET schema", ANYONE, 200),
    Row("GET docs", ANYONE, 200),
    # Accounts
    Row("POST auth/register", ANYONE, 201, NEW),
    Row("POST auth/login", ANYONE, 401, _fields(username="alice", password="wrong")),
    Row("POST auth/refresh", ANYONE, 401, _fields(refresh="x")),
    Row("POST auth/logout", ANYONE, 401, _fields(refresh="x")),
    Row("POST auth/logout/all", SIGNED_IN, 204),
    Row("POST auth/password/reset", ANYONE, 202, _fields(email="alice@example.com")),
    Row("POST auth/password/reset/confirm", ANYONE, 400, _fields(token="1.x", password="long enough 123")),
    Row("POST auth/ws-ticket", SIGNED_IN, 200),
    Row("GET user/profile", SIGNED_IN, 200),
    Row("PATCH user/profile", SIGNED_IN, 200, _fields(language="fr")),
    Row("DELETE user", SIGNED_IN, 204),
    Row("GET user/avatar", SIGNED_IN, 404),  # nobody has one yet
    Row("PUT user/avatar", SIGNED_IN, 415, _fields()),
    Row("DELETE user/avatar", SIGNED_IN, 204),
    Row("GET user/api-keys", SIGNED_IN, 200),
    Row("POST user/api-keys", SIGNED_IN, 201, _fields(name="new")),
    Row("DELETE user/api-keys/<int:key_id>", OWNER, 204),
    Row("GET user/sign-ins", SIGNED_IN, 200),
    Row("DELETE user/sign-ins/<uuid:sign_in_id>", OWNER, 204),
    Row("GET user/second-factor", SIGNED_IN, 200),
    Row("POST user/second-factor", SIGNED_IN, 400, _fields(current_password="wrong")),
    Row("POST user/second-factor/confirm", SIGNED_IN, 404, _fields(code="000000")),
    Row("POST user/second-factor/disable", SIGNED_IN, 400, _fields(current_password="wrong")),
    Row("POST user/second-factor/recovery-codes", SIGNED_IN, 400, _fields(current_password="wrong")),
    Row("GET user/telegram", SIGNED_IN, 200),
    Row("DELETE user/telegram", SIGNED_IN, 204),
    Row("POST user/telegram/link", SIGNED_IN, 200),
    Row("POST user/telegram/confirm", SIGNED_IN, 404),
    Row("GET user/channels", SIGNED_IN, 200),
    Row("POST user/channels", SIGNED_IN, 201, _fields(kind="webhook", target="https://8.8.8.8/new")),
    Row("DELETE user/channels/<int:channel_id>", OWNER, 204),
    Row("POST user/channels/<int:channel_id>/test", OWNER, 202),
    Row("POST user/channels/<int:channel_id>/confirm", OWNER, 400, _fields(code="0"), at={"channel_id": "mail"}),
    Row("GET user/preferences", SIGNED_IN, 200),
    Row("PUT user/preferences", SIGNED_IN, 200, _fields(muted=[])),
    # Staff
    Row("GET logs", MODERATORS, 200, shows=True),
    Row("GET admin/stats", ADMINS, 200),
    Row("GET admin/users", ADMINS, 200),
    Row("GET admin/indexers", ADMINS, 200),
    Row("PATCH admin/indexers/<int:indexer_id>", ADMINS, 200, _fields(priority=5)),
    Row("POST admin/indexers/<int:indexer_id>/forget", ADMINS, 200),
    Row("PATCH admin/users/<int:user_id>", ADMINS, 200, _fields(role="moderator")),
    Row("DELETE admin/users/<int:user_id>/second-factor", ADMINS, 404),
    Row("GET admin/users/<int:user_id>/sign-ins", ADMINS, 200),
    Row("DELETE admin/users/<int:user_id>/sign-ins/<uuid:sign_in_id>", ADMINS, 204, at={"sign_in_id": "bobs_sign_in"}),
    Row("POST admin/broadcast", ADMINS, 200, _fields(text="Hello")),
    Row("POST admin/messages", ADMINS, 200, lambda t: {"user_id": t["user_id"], "text": "Hello"}),
    Row("GET admin/dlq", ADMINS, 200),
    Row("POST admin/dlq/<int:sequence>/replay", ADMINS, 404),
    Row("GET admin/profiles", ADMINS, 200),
    Row("POST admin/profiles", ADMINS, 201, _fields(name="New")),
    Row("PUT admin/profiles/default", ADMINS, 200, lambda t: {"profile_id": t["profile_id"]}),
    Row("POST admin/profiles/import", ADMINS, 200, _fields(files=[{"name": "radarr.json", "content": {}}])),
    Row(
        "POST admin/profiles/what-if", ADMINS, 200, lambda t: {"media_id": t["media_id"], "profile_id": t["profile_id"]}
    ),
    Row("GET admin/profiles/<int:profile_id>", ADMINS, 200),
    Row("PUT admin/profiles/<int:profile_id>", ADMINS, 200, _fields(name="Renamed")),
    Row("DELETE admin/profiles/<int:profile_id>", ADMINS, 204),
    Row("POST admin/profiles/<int:profile_id>/copy", ADMINS, 201),
    Row("PUT admin/media/<int:media_id>/profile", ADMINS, 204, lambda t: {"profile_id": t["profile_id"]}),
    Row("GET admin/formats", ADMINS, 200),
    # Titles
    Row("GET profiles", SIGNED_IN, 200),
    Row("GET media/<int:media_id>", SIGNED_IN, 200),
    Row("GET media/<int:media_id>/torrents", SIGNED_IN, 200),
    Row("POST media/favorite", SIGNED_IN, 201, lambda t: {"media_id": t["media_id"]}),
    Row("DELETE media/favorite/<int:media_id>", SIGNED_IN, 204),
    Row("GET media/favorites", SIGNED_IN, 200),
    Row("GET watch-history", SIGNED_IN, 200),
    Row("PUT watch-history", SIGNED_IN, 200, lambda t: {"media_id": t["media_id"], "position": 1, "duration": 2}),
    Row("GET posters/<str:size>/<str:file>", ANYONE, 404),
    Row("GET search", ANYONE, 200, query="query=zzzz", writes="what TMDB knows is kept"),
    Row("POST search", SIGNED_IN, 202, lambda t: {"media_id": t["media_id"]}),
    # Downloads
    Row("GET downloads", SIGNED_IN, 200),
    Row("POST downloads/start", SIGNED_IN, 202, lambda t: {"media_id": t["media_id"]}),
    Row("GET downloads/<int:download_id>", OWNER, 200),
    Row("DELETE downloads/<int:download_id>", OWNER, 204),
    Row("POST downloads/<int:download_id>/pause", OWNER, 200),
    Row("POST downloads/<int:download_id>/resume", OWNER, 200, at={"download_id": "paused"}),
    Row("POST downloads/<int:download_id>/retry", OWNER, 202, at={"download_id": "failed"}),
    Row("POST downloads/<int:download_id>/replace", OWNER, 202, at={"download_id": "tram"}),
    Row("POST downloads/<int:download_id>/better", OWNER, 202, at={"download_id": "filed"}),
    Row("GET downloads/<int:download_id>/files", OWNER, 200),
    Row("GET blocklist", SIGNED_IN, 200),
    Row("DELETE blocklist", SIGNED_IN, 204),
    Row("DELETE blocklist/<int:blocked_id>", OWNER, 204),
    Row("GET library", SIGNED_IN, 200),
    # Following
    Row("GET follows", SIGNED_IN, 200),
    Row("POST follows", SIGNED_IN, 201, lambda t: {"media_id": t["media_id"], "what": "film"}),
    Row("PUT follows/<int:follow_id>", OWNER, 200, _fields(keep_days=7)),
    Row("DELETE follows/<int:follow_id>", OWNER, 204),
    Row("GET wanted", SIGNED_IN, 200),
    Row("GET wanted/cutoff", SIGNED_IN, 200),
    Row("GET calendar", SIGNED_IN, 200),
    Row("POST calendar/address", SIGNED_IN, 201),
    Row("DELETE calendar/address", SIGNED_IN, 204),
    Row("GET jobs", SIGNED_IN, 200),
    Row("GET jobs/<uuid:job_id>", OWNER, 200),
    Row("GET notifications", SIGNED_IN, 200),
    Row("POST notifications/read", SIGNED_IN, 200, _fields()),
    # Machines
    Row("GET health", ANYONE, 200),
    Row("GET health/deep", ANYONE, 200),
    Row("GET health/ready", ANYONE, 200),
    Row("GET health/live", ANYONE, 200),
    Row("GET metrics", NOBODY, 403),  # no role opens it: METRICS_TOKEN, loopback and TRUSTED_IPS do
    Row("POST telegram/webhook", NOBODY, 403, _fields(update_id=1)),  # TELEGRAM_WEBHOOK_SECRET does
]

PAGES = [
    Row("GET ", ANYONE, 302),
    Row("GET app/login", ANYONE, 302, but={"stranger": 200}),
    Row("POST app/login", ANYONE, 302, but={"stranger": 200}),
    Row("GET app/register", ANYONE, 302, but={"stranger": 200}),
    Row("POST app/register", ANYONE, 302, but={"stranger": 200}),
    Row("GET app/login/code", ANYONE, 302),
    Row("POST app/login/code", ANYONE, 302),
    Row("GET app/login/oidc", ANYONE, 302),
    Row("GET app/login/oidc/callback", ANYONE, 302),
    Row("POST app/logout", ANYONE, 302),
    Row("POST app/logout/all", ANYONE, 302),
    Row("GET app/password/forgot", ANYONE, 200),
    Row("POST app/password/forgot", ANYONE, 200, _fields(email="alice@example.com")),
    Row("GET app/password/reset", ANYONE, 200),
    Row("POST app/password/reset", ANYONE, 200, _fields(token="1.x", password="long enough 123")),
    Row("GET app/profile", SIGNED_IN, 200),
    Row("POST app/profile", SIGNED_IN, 302, _fields(language="fr")),
    Row("POST app/profile/avatar", SIGNED_IN, 400),
    Row("GET app/avatar/<str:name>", ANYONE, 404),  # a name opens nothing to whom the picture does not belong
    Row("GET app/profile/password", SIGNED_IN, 302),
    Row("POST app/profile/password", SIGNED_IN, 200),
    Row("GET app/profile/email", SIGNED_IN, 302),
    Row("POST app/profile/email", SIGNED_IN, 200),
    Row("GET app/profile/keys", SIGNED_IN, 200),
    Row("POST app/profile/keys", SIGNED_IN, 200, _fields(name="new")),
    Row("POST app/profile/keys/<int:key_id>/delete", OWNER, 200),
    Row("GET app/profile/sign-ins", SIGNED_IN, 200),
    Row("POST app/profile/sign-ins/<uuid:sign_in_id>/end", OWNER, 302),
    Row("GET app/profile/second-factor", SIGNED_IN, 200),
    Row("POST app/profile/second-factor/begin", SIGNED_IN, 200),
    Row("POST app/profile/second-factor/confirm", SIGNED_IN, 200),
    Row("POST app/profile/second-factor/recovery-codes", SIGNED_IN, 200),
    Row("POST app/profile/second-factor/disable", SIGNED_IN, 200),
    Row("GET app/profile/oidc", SIGNED_IN, 200),
    Row("POST app/profile/oidc/link", SIGNED_IN, 200),
    Row("POST app/profile/oidc/unlink", SIGNED_IN, 404),
    Row("GET app/profile/notifications", SIGNED_IN, 200),
    Row("POST app/profile/channels/add", SIGNED_IN, 200, _fields(kind="webhook", target="https://8.8.8.8/new")),
    Row("POST app/profile/channels/<int:channel_id>/remove", OWNER, 200),
    Row("POST app/profile/channels/<int:channel_id>/test", OWNER, 200),
    Row("POST app/profile/channels/<int:channel_id>/confirm", OWNER, 400, _fields(code="0"), at={"channel_id": "mail"}),
    Row("GET app/profile/preferences", SIGNED_IN, 302),
    Row("POST app/profile/preferences", SIGNED_IN, 200, _fields(shown=["webhook"])),
    Row("GET app/profile/telegram", SIGNED_IN, 302),
    Row("POST app/profile/telegram/<slug:verb>", SIGNED_IN, 200, at={"verb": "link"}),
    Row("POST app/profile/telegram/<slug:verb>", SIGNED_IN, 404, at={"verb": "confirm"}),
    Row("POST app/profile/telegram/<slug:verb>", SIGNED_IN, 200, at={"verb": "refuse"}),
    Row("POST app/profile/telegram/<slug:verb>", SIGNED_IN, 200, at={"verb": "unlink"}),
    Row("POST app/ticket", SIGNED_IN, 200),
    Row("GET app/", SIGNED_IN, 200),
    Row("GET app/favourites", SIGNED_IN, 200),
    Row("POST app/favourites/<int:media_id>", SIGNED_IN, 200, _fields(liked="1")),
    Row("GET app/history", SIGNED_IN, 200),
    Row("POST app/watched/<int:media_id>", SIGNED_IN, 204, _fields(position="1", duration="2")),
    Row("GET app/titles/<int:media_id>", SIGNED_IN, 302),
    Row("GET app/titles/<int:media_id>/<str:slug>", SIGNED_IN, 200),
    Row("GET app/releases/<int:media_id>", SIGNED_IN, 302),
    Row("POST app/releases/<int:media_id>/find", SIGNED_IN, 200),
    Row("GET app/downloads", SIGNED_IN, 200),
    Row("POST app/downloads/start/<int:media_id>", SIGNED_IN, 302),
    Row("GET app/downloads/<int:download_id>", OWNER, 200),
    Row("POST app/downloads/<int:download_id>/<slug:verb>", OWNER, 200, at={"verb": "pause"}),
    Row("POST app/downloads/<int:download_id>/<slug:verb>", OWNER, 200, at={"verb": "cancel"}),
    Row("POST app/downloads/<int:download_id>/<slug:verb>", OWNER, 200, at={"verb": "resume", "download_id": "paused"}),
    Row("POST app/downloads/<int:download_id>/<slug:verb>", OWNER, 200, at={"verb": "retry", "download_id": "failed"}),
    Row("POST app/downloads/<int:download_id>/<slug:verb>", OWNER, 200, at={"verb": "remove", "download_id": "failed"}),
    Row("POST app/downloads/<int:download_id>/<slug:verb>", OWNER, 200, at={"verb": "better", "download_id": "filed"}),
    Row("POST app/downloads/<int:download_id>/<slug:verb>", OWNER, 200, at={"verb": "delete", "download_id": "filed"}),
    Row("POST app/downloads/<int:download_id>/<slug:verb>", OWNER, 409, at={"verb": "stop", "download_id": "filed"}),
    Row("POST app/downloads/<int:download_id>/<slug:verb>", OWNER, 200, at={"verb": "replace", "download_id": "tram"}),
    Row("GET app/blocklist", SIGNED_IN, 200),
    Row("POST app/blocklist/clear", SIGNED_IN, 302),
    Row("POST app/blocklist/<int:blocked_id>/remove", OWNER, 302),
    Row("POST app/follow/<int:media_id>", SIGNED_IN, 200, _fields(what="film")),
    Row("POST app/follow/<int:media_id>/end", SIGNED_IN, 200),
    Row("GET app/followed", SIGNED_IN, 200),
    Row("POST app/followed/<int:follow_id>/end", OWNER, 302),
    Row("POST app/followed/<int:follow_id>/keep", OWNER, 302, _fields(keep_days="7")),
    Row("GET app/wanted", SIGNED_IN, 200),
    Row("GET app/wanted/cutoff", SIGNED_IN, 200),
    Row("GET app/calendar", SIGNED_IN, 200),
    Row("GET app/calendar.ics", ANYONE, 404),  # the address opens it, and no role
    Row("POST app/calendar/address", SIGNED_IN, 200),
    Row("POST app/calendar/address/revoke", SIGNED_IN, 200),
    Row("GET app/library", SIGNED_IN, 200),
    Row("GET app/play/<int:download_id>", OWNER, 302, at={"download_id": "filed"}),
    Row("GET app/play/<int:download_id>/<int:index>", OWNER, 200, at={"download_id": "filed"}),
    Row("GET app/notifications", SIGNED_IN, 200),
    Row("POST app/notifications/read", SIGNED_IN, 200),
]


def _list(model: str, who: frozenset[str] = ADMINS, *, acts: bool = False, changes: Body | None = None) -> list[Row]:
    """The dashboard's pages of one kind of row: nothing is added or deleted there. `acts`: its list has actions; `changes`: a
    row can be changed, with this form."""
    at, base = {"object_id": model}, f"dashboard/{model}"
    one = f"{base}/<path:object_id>"
    return [
        Row(f"GET {base}/", who, 200, shows=True),
        *([Row(f"POST {base}/", who, 200, shows=True)] if acts else []),
        Row(f"GET {base}/add/", NOBODY, 403),
        Row(f"POST {base}/add/", NOBODY, 403),
        Row(f"GET {one}/history/", who, 200, at=at, shows=True),
        Row(f"GET {one}/delete/", NOBODY, 403, at=at),
        Row(f"POST {one}/delete/", NOBODY, 403, _fields(post="yes"), at=at),
        Row(f"GET {one}/change/", who, 200, at=at, shows=True),
        *(
            [Row(f"POST {one}/change/", who, 302, changes, at=at)]
            if changes
            else [Row(f"POST {one}/change/", NOBODY, 403, at=at)]
        ),
        Row(f"GET {one}/", MODERATORS, 302, at=at),  # leads to the change page
    ]


DASHBOARD = [
    Row("GET dashboard", ANYONE, 302),
    Row("GET dashboard/", MODERATORS, 200, but={"moderator": 302}),
    Row("GET dashboard/live", ADMINS, 200),
    Row("GET dashboard/dlq/", ADMINS, 200),
    Row("POST dashboard/dlq/purge", ADMINS, 302),
    Row("GET dashboard/dlq/<int:sequence>/", ADMINS, 302),
    Row("POST dashboard/dlq/<int:sequence>/replay", ADMINS, 302),
    Row("POST dashboard/dlq/<int:sequence>/purge", ADMINS, 302),
    Row("GET dashboard/indexers/", ADMINS, 200),
    Row("POST dashboard/indexers/test", ADMINS, 303, _fields(name="unknown")),
    Row("GET dashboard/import/", ADMINS, 200),
    Row("POST dashboard/import/", ADMINS, 200, _fields(root="/", folder="", user="alice")),
    Row("GET dashboard/import/<uuid:job_id>/", ADMINS, 302),
    Row("POST dashboard/import/<uuid:job_id>/start", ADMINS, 302),
    Row("GET dashboard/profiles/", ADMINS, 200),
    Row("GET dashboard/profiles/new/", ADMINS, 200),
    Row("POST dashboard/profiles/new/", ADMINS, 200, _fields(name="")),
    Row("GET dashboard/profiles/import/", ADMINS, 200),
    Row("POST dashboard/profiles/import/", ADMINS, 200),
    Row("POST dashboard/profiles/default", ADMINS, 302, lambda t: {"profile_id": t["profile_id"]}),
    Row(
        "POST dashboard/profiles/title", ADMINS, 302, lambda t: {"title": t["media_id"], "profile_id": t["profile_id"]}
    ),
    Row("GET dashboard/profiles/<int:profile_id>/", ADMINS, 200),
    Row("POST dashboard/profiles/<int:profile_id>/", ADMINS, 200, _fields(name="")),
    Row("POST dashboard/profiles/<int:profile_id>/copy", ADMINS, 302),
    Row("POST dashboard/profiles/<int:profile_id>/delete", ADMINS, 302),
    Row("GET dashboard/settings/", ADMINS, 200),
    Row("GET dashboard/requests/", ADMINS, 200),
    Row("GET dashboard/requests/<str:request_id>/", ADMINS, 200, shows=True),
    Row("POST dashboard/verify", MODERATORS, 302),
    # What the admin site has of its own
    Row("GET dashboard/search/", MODERATORS, 200, query="s=accounts"),
    Row("GET dashboard/login/", ANYONE, 302),
    Row("POST dashboard/logout/", MODERATORS, 302),
    Row("GET dashboard/password_change/", MODERATORS, 302),
    Row("GET dashboard/password_change/done/", MODERATORS, 200),
    Row("GET dashboard/autocomplete/", NOBODY, 403),
    Row("GET dashboard/jsi18n/", MODERATORS, 200),
    Row("GET dashboard/r/<path:content_type_id>/<path:object_id>/", MODERATORS, 404),
    Row(
        "GET dashboard/^(?P<app_label>accounts|media|downloads|jobs)/$", MODERATORS, 200, at={"app_label": "app_label"}
    ),
    Row("GET dashboard/(?P<url>.*)$", MODERATORS, 404),
    *_list("accounts/user", acts=True, changes=_fields(role="moderator", is_active="on", confirmed="on")),
    *_list("accounts/auditentry", MODERATORS),
    *_list("media/media"),
    *_list("downloads/torrent"),
    *_list("downloads/candidate"),
    *_list("downloads/indexer", acts=True, changes=_fields(enabled="on", priority="5")),
    *_list("downloads/download", acts=True),
    *_list("downloads/blocked", acts=True),
    *_list("jobs/job", acts=True),
]

# What the web process answers beside its pool of threads (sokoul.asgi), by an address that its router's pattern matches. Where
# Django stands behind it, its rows are above, too; GET and HEAD only.
STREAMS = {
    "/downloads/{filed}/files/0/stream": OWNER,
    "/health": ANYONE,
    "/health/deep": ANYONE,
    "/metrics": ANYONE,  # from loopback, where the tests ask from
}

# WebSocket: who is let in, and who is told what is recorded for alice. What answers one socket is told to that one only.
HANDSHAKE = {"stranger": 401, "other": 101, "owner": 101, "moderator": 101, "admin": 101}
EVENTS = {
    "job.updated": OWNER,
    "download.updated": OWNER,
    "download.progress": OWNER,
    "notification": OWNER,
    "message": OWNER,
    "broadcast": SIGNED_IN,
    "snapshot": SIGNED_IN,  # each their own
    "pong": OWNER,  # who asked
    "error": OWNER,
    "resync": OWNER,
}

# Telegram: who is answered; the others learn how to link. Everybody sees their own things only; admins see components in /status.
COMMANDS = {
    "start": ANYONE,
    "help": ANYONE,
    "search": SIGNED_IN,
    "mylist": SIGNED_IN,
    "status": SIGNED_IN,
    "downloads": SIGNED_IN,
    "cancel": SIGNED_IN,
    "language": SIGNED_IN,
    "unlink": SIGNED_IN,
}
# A button's verb → who may press it where it is about alice's things (`download` first among its numbers), or about a title.
PRESSES: dict[str, tuple[frozenset[str], tuple[str | int | None, ...]]] = {
    "p": (OWNER, ("download_id", 1)),
    "c": (OWNER, ("download_id", 1)),
    "r": (OWNER, ("paused", 1)),
    "y": (OWNER, ("failed", 1)),
    "k": (OWNER, ("tram", 1)),
    "t": (SIGNED_IN, ("media_id", None, None)),
    "h": (SIGNED_IN, ("media_id", None, None)),
    "m": (SIGNED_IN, (1,)),
    "l": (SIGNED_IN, (1,)),
    "f": (SIGNED_IN, ("media_id", None, None)),
    "b": (SIGNED_IN, ("media_id", None, None)),
    "g": (SIGNED_IN, ("media_id", "torrent", None, None)),
}

MANAGEMENT = dict.fromkeys(
    (
        "backup", "bot", "check_stack", "createadmin", "demo", "dlq", "down", "download", "hunter", "import_formats",
        "import_library", "jobs", "naming", "parse_release", "release",
        "relay", "restore", "rotate_secret", "scout", "second_factor", "search", "serve", "setup", "smoke",
        "streams", "sweep", "up", "verify_audit",
    ),
    OPERATOR,
)  # fmt: skip
