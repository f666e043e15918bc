"""The made-up credentials that the demo providers accept; anything else is refused as the real ones refuse it.

They are public on purpose and open nothing but the demo.
"""

TMDB_KEY = "demo-tmdb-key"
TMDB_TOKEN = "demo-tmdb-token"  # noqa: S105
TMDB = (TMDB_KEY, TMDB_TOKEN)
PROWLARR = "demo-prowlarr-key"
TORZNAB = "demo-torznab-key"
BOT_ID = 9000000001
TELEGRAM_TOKEN = f"{BOT_ID}:demo-telegram-bot"


def environment(url: str) -> dict[str, str]:
    """Sokoul's variables that point it at the demo providers served at `url`."""
    return {
        "TMDB_URL": f"{url}/tmdb/3",
        "TMDB_IMAGE_URL": f"{url}/tmdb/images",
        "TMDB_API_KEY": TMDB_KEY,
        "PROWLARR_URL": f"{url}/prowlarr",
        "PROWLARR_API_KEY": PROWLARR,
        "TELEGRAM_API_URL": f"{url}/telegram/bot",
        "TELEGRAM_BOT_TOKEN": TELEGRAM_TOKEN,
    }


def torznab_feed(url: str) -> str:
    """A TORZNAB_FEEDS entry for the plain feed, which Prowlarr's indexers partly repeat."""
    return f"Criee={url}/torznab/api|{TORZNAB}"
