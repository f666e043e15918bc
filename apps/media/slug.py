"""The readable end of a page's address: "Inception 2010" → inception-2010."""

from django.utils.text import slugify

MAX = 200


def slug_of(title: str, year: int | None, kind: str, tmdb_id: int) -> str:
    """Never empty: a title without a letter or digit gets kind and TMDB number instead."""
    slug = slugify(f"{title} {year or ''}", allow_unicode=True)[:MAX].strip("-_")
    return slug or f"{kind}-{tmdb_id}"
