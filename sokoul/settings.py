"""Django's settings, all from `sokoul.env`."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from sokoul import component, logs, signing_keys
from sokoul.env import ENV
from sokoul.postgres.connection import Connection

BASE_DIR = Path(__file__).resolve().parent.parent
DEBUG = False

SECRET_KEY, SECRET_KEY_FALLBACKS = signing_keys.First(signing_keys.ring()[0]), signing_keys.Others()

HTTPS = ENV.address.startswith("https://")
ALLOWED_HOSTS = [urlsplit(ENV.address).hostname or "localhost", "localhost", "127.0.0.1", "[::1]", *ENV.allowed_hosts]
CSRF_TRUSTED_ORIGINS = [ENV.address]

INSTALLED_APPS = [
    "sokoul",  # before whatever makes metrics: it says where they go
    "django_prometheus",
    "unfold.apps.BasicAppConfig",  # without a site of its own
    "sokoul.dashboard.apps.DashboardConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "apps.feed",
    "apps.jobs",
    "apps.accounts",
    "apps.media",
    "apps.downloads",
    "apps.bot",
]
MIDDLEWARE = [
    "sokoul.request_id.middleware",
    "sokoul.client_ip.middleware",
    "sokoul.user_agent.middleware",
    "sokoul.access.middleware",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "sokoul.security.middleware",
    "apps.accounts.limiting.middleware",  # before what serves static files, and before anything is looked up
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.accounts.sign_ins.sparing.middleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "sokoul.pages.Faults",
]
CSRF_FAILURE_VIEW = "sokoul.pages.csrf_failure"
ROOT_URLCONF = "sokoul.urls"
ASGI_APPLICATION = "sokoul.asgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "apps.feed.pages.bell",
            ]
        },
    }
]


def _database(url: str) -> dict[str, Any]:
    if not url:  # makemigrations and its like need none, and must not wait for one
        return {"ENGINE": "django.db.backends.dummy"}
    parts = urlsplit(url)
    return {
        "ENGINE": "sokoul.postgres",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": {
            "pool": {
                "connection_class": Connection,
                "min_size": 1,
                "max_size": ENV.database_pool,
                "timeout": 30,
                "max_waiting": 100,
                "max_idle": 300,
                "reconnect_timeout": 2,  # then whoever comes next tries anew: pauses that grow outlast an outage
            },
            "connect_timeout": 3,
            "application_name": f"sokoul-{component.NAME}",
            "options": "-c statement_timeout=10000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000",
        },
    }


DATABASES = {"default": _database(ENV.database_url)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

_REDIS = ENV.redis_url or "redis://unset"
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": _REDIS,
        "KEY_PREFIX": "cache",
        "OPTIONS": {
            "SOCKET_CONNECT_TIMEOUT": 0.3,
            "SOCKET_TIMEOUT": 0.5,
            "IGNORE_EXCEPTIONS": True,
        },
    }
}
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = True

AUTH_USER_MODEL = "accounts.User"
# The user name is unique whatever its case, by a constraint on lower(username) that this check does not see.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]
AUTHENTICATION_BACKENDS = ["apps.accounts.authentication.EmailOrUsernameBackend"]
PASSWORD_HASHERS = ["apps.accounts.passwords.Argon2Hasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},  # 20,000 of them
    {"NAME": "apps.accounts.own_words.OwnWordsValidator"},
]
PASSWORD_RESET_TIMEOUT = 900  # seconds
SESSION_ENGINE = "apps.accounts.sign_ins.store"
SESSION_COOKIE_AGE = ENV.session_days * 86_400  # the row ends earlier where it is not used
LOGIN_URL = "/app/login"
LOGIN_REDIRECT_URL = "/app/"
# Behind a browser's own rule where there is https: no other host, and no plain page of this one, can set them.
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = (f"{'__Host-' if HTTPS else ''}{name}" for name in ("sessionid", "csrftoken"))
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True  # the pages have the token in a meta element
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
# People are led to https; `sokoul.security` has the rest.
SECURE_REDIRECT_EXEMPT = [r"^(?!((app|dashboard|docs|static)(/|$))|$)"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENV.trusted_proxies else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# The server's own limits (sokoul.server) are tighter; this one lets the avatar through.
DATA_UPLOAD_MAX_MEMORY_SIZE = 11 * 1024 * 1024

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.accounts.authentication.BearerAuthentication",
        "apps.accounts.authentication.ApiKeyAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["apps.accounts.permissions.SignedIn"],
    "DEFAULT_RENDERER_CLASSES": ["sokoul.api.OrjsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["sokoul.api.OrjsonParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "sokoul.api.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Sokoul",
    "DESCRIPTION": "Self-hosted media automation: search, choose, download, file and play.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SERVERS": [{"url": "/"}, {"url": "/api/v1"}],
    "PREPROCESSING_HOOKS": ["sokoul.openapi.without_copies"],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "sokoul.openapi.completed"],
    "ENUM_NAME_OVERRIDES": {
        "Progress": "apps.jobs.models.Status",
        "MediaKind": "apps.media.models.Kind",
        "ChannelKind": "apps.accounts.channels.models.Kind",
        "NewChannelKind": "apps.accounts.channels.serializers.ADDED",
        "Health": "sokoul.health.STATES",
        "ComponentHealth": "sokoul.health.COMPONENT_STATES",
    },
}

UNFOLD = {
    "SITE_TITLE": "Sokoul",
    "SITE_HEADER": "Sokoul",
    "SITE_URL": "/app/",
    "SITE_ICON": lambda request: "/static/logo.svg",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: "/static/logo.svg"}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [lambda request: "/static/css/dashboard.css"],
    "ACCOUNT": {"navigation": "sokoul.dashboard.navigation.account"},
    "SIDEBAR": {"navigation": "sokoul.dashboard.navigation.sidebar"},
}

_MAIL = urlsplit(ENV.email_url)
EMAIL_BACKEND = f"django.core.mail.backends.{'console' if _MAIL.scheme == 'console' else 'smtp'}.EmailBackend"
EMAIL_HOST, EMAIL_PORT = _MAIL.hostname or "", _MAIL.port or (465 if _MAIL.scheme == "smtps" else 25)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_MAIL.username or ""), unquote(_MAIL.password or "")
EMAIL_USE_SSL = _MAIL.scheme == "smtps"
EMAIL_USE_TLS = _MAIL.scheme == "smtp" and bool(EMAIL_HOST_PASSWORD or EMAIL_PORT == 587)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = parse_qs(_MAIL.query).get("from", [""])[0] or (
    EMAIL_HOST_USER if "@" in EMAIL_HOST_USER else f"sokoul@{urlsplit(ENV.address).hostname}"
)

LANGUAGE_CODE = ENV.default_language
LANGUAGES = [("en", "English"), ("fr", "Français")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATIC_ROOT = ENV.data_dir.absolute() / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Served straight from where the apps keep them: no build step between a checkout and a page.
WHITENOISE_ALLOW_ALL_ORIGINS = False  # no other origin reads any answer
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600
MEDIA_ROOT = ENV.data_dir.absolute() / "uploads"
LOGGING = logs.configuration(component.NAME, ENV.log_level)
