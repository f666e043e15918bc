"""Ways of asking for a wish, by what an indexer can do: the parameters of Torznab, and Prowlarr's spelling of them."""

from apps.downloads.indexers.caps import Caps
from apps.downloads.indexers.wish import Wish
from apps.media.models import Kind

Question = dict[str, str | int]
_MARKS = {"imdbid": "ImdbId", "tmdbid": "TmdbId", "tvdbid": "TvdbId", "season": "Season", "ep": "Episode"}


def questions(wish: Wish, able: Caps) -> list[Question]:
    """The surest first: by a number of the title's, by title with season and episode apart, by one text."""
    return (
        _film(wish, able.parameters("movie-search"))
        if wish.kind == Kind.MOVIE
        else _series(wish, able.parameters("tv-search"))
    )


def _film(wish: Wish, able: frozenset[str]) -> list[Question]:
    known = _known(wish, able, ("imdbid", "tmdbid"))
    asked: list[Question] = [{"t": "movie", **known}] if known else []
    return asked + [{"t": "movie" if "q" in able else "search", "q": text} for text in wish.texts]


def _series(wish: Wish, able: frozenset[str]) -> list[Question]:
    numbers: Question = {} if wish.season is None else {"season": wish.season}
    numbers |= {} if wish.episode is None or not numbers else {"ep": wish.episode}
    asked: list[Question] = []
    known = _known(wish, able, ("tvdbid", "imdbid", "tmdbid"))
    if known and numbers.keys() <= able:
        asked.append({"t": "tvsearch", **known, **numbers})
    if numbers and {"q", *numbers} <= able:
        return asked + [{"t": "tvsearch", "q": name, **numbers} for name in wish.names]
    return asked + [{"t": "search", "q": text} for text in wish.texts]


def _known(wish: Wish, able: frozenset[str], names: tuple[str, ...]) -> Question:
    """One number that names the title: indexers disagree about whether two mean both or either."""
    numbers = {"imdbid": wish.imdb_id, "tmdbid": wish.tmdb_id or "", "tvdbid": wish.tvdb_id or ""}
    return next(({name: numbers[name]} for name in names if name in able and numbers[name]), {})


def as_prowlarr(question: Question) -> dict[str, str | int]:
    """{type, query} as its search takes it: what is no text stands in braces, `{ImdbId:tt0000001}{Season:1}`."""
    marks = "".join(f"{{{_MARKS[name]}:{value}}}" for name, value in question.items() if name in _MARKS)
    return {"type": question["t"], "query": f"{question.get('q', '')} {marks}".strip()}
