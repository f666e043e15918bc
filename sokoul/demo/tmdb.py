"""TMDB's API v3, as far as clients of films and series use it (developer.themoviedb.org/reference)."""

from datetime import date, timedelta
from typing import Any, cast

from sokoul.demo import catalogue, keys
from sokoul.demo.titles import Kind, Season, Series, Title
from sokoul.demo.web import Handler, Request, Response, Router, json_response

PAGE_SIZE = 20
MAX_PAGE = 500
ENDLESS_PAGES = 500
AT_HOME = timedelta(days=50)
YEARS = {"movie": ("primary_release_year", "year"), "tv": ("first_air_date_year", "year"), "multi": ()}
Json = dict[str, Any]

# developer.themoviedb.org/docs/errors: status_code → (HTTP status, message)
ERRORS = {
    6: (404, "Invalid id: The pre-requisite id is invalid or not found."),
    7: (401, "Invalid API key: You must be granted a valid key."),
    11: (500, "Internal error: Something went wrong, contact TMDb."),
    22: (400, "Invalid page: Pages start at 1 and max at 500. They are expected to be an integer."),
    25: (429, "Your request count (#) is over the allowed limit of (40)."),
    34: (404, "The resource you requested could not be found."),
    43: (502, "Couldn't connect to the backend server."),
    46: (503, "The API is undergoing maintenance. Try again later."),
}


def failure(status: int) -> Response:
    """What TMDB sends along with an HTTP status."""
    code = next((code for code, (http, _) in ERRORS.items() if http == status), 11)
    return json_response({"success": False, "status_code": code, "status_message": ERRORS[code][1]}, status)


def error(code: int) -> Response:
    status, message = ERRORS[code]
    return json_response({"success": False, "status_code": code, "status_message": message}, status)


def _language(request: Request) -> int:
    return 1 if request.query.get("language", "en").lower().startswith("fr") else 0


def _common(title: Title, lang: int) -> Json:
    return {
        "adult": False,
        "backdrop_path": title.backdrop_file(),
        "id": title.tmdb_id,
        "original_language": title.original_language,
        "overview": title.overview[lang],
        "popularity": title.popularity,
        "poster_path": title.poster_file(),
        "vote_average": title.vote,
        "vote_count": title.votes,
    }


def _names(title: Title, lang: int) -> Json:
    if title.kind == "movie":
        return {
            "title": title.title[lang],
            "original_title": title.original,
            "release_date": title.released,
            "video": False,
        }
    return {
        "name": title.title[lang],
        "original_name": title.original,
        "first_air_date": title.released,
        "origin_country": [title.country],
    }


def listed(title: Title, lang: int, media_type: bool = False) -> Json:
    """One row of a search answer."""
    row = {**_common(title, lang), **_names(title, lang), "genre_ids": list(title.genres)}
    return {**row, "media_type": title.kind} if media_type else row


def _genres(title: Title, lang: int) -> list[Json]:
    names = catalogue.MOVIE_GENRES if title.kind == "movie" else catalogue.TV_GENRES
    return [{"id": genre, "name": names[genre][lang]} for genre in title.genres]


def _details(title: Title, lang: int) -> Json:
    """What film and series have alike."""
    language = {"en": ("English", "English"), "fr": ("French", "Français")}[title.original_language]
    spoken = {"english_name": language[0], "iso_639_1": title.original_language, "name": language[1]}
    return {
        **_common(title, lang),
        **_names(title, lang),
        "genres": _genres(title, lang),
        "homepage": "",
        "origin_country": [title.country],
        "production_companies": [],
        "production_countries": [{"iso_3166_1": title.country, "name": title.country}],
        "spoken_languages": [spoken],
        "status": title.status,
        "tagline": title.tagline,
    }


def movie_details(title: Title, lang: int) -> Json:
    extra = {"belongs_to_collection": None, "budget": 0, "imdb_id": title.imdb_id or None, "revenue": 0}
    return {**_details(title, lang), **extra, "runtime": title.runtime}


def _season_summary(series: Series, season: Season, lang: int) -> Json:
    return {
        "air_date": season.air_date,
        "episode_count": len(season.episodes),
        "id": series.tmdb_id * 100 + season.number,
        "name": season.name[lang],
        "overview": "",
        "poster_path": series.poster_file(),
        "season_number": season.number,
        "vote_average": series.vote,
    }


def _episodes(series: Series, season: Season, lang: int) -> list[Json]:
    return [
        {
            "air_date": episode.air_date,
            "episode_number": episode.number,
            "episode_type": "finale" if episode is season.episodes[-1] else "standard",
            "id": series.tmdb_id * 1000 + season.number * 100 + episode.number,
            "name": episode.name[lang],
            "overview": episode.overview[lang],
            "production_code": "",
            "runtime": series.runtime,
            "season_number": season.number,
            "show_id": series.tmdb_id,
            "still_path": series.backdrop_file(),
            "vote_average": series.vote,
            "vote_count": series.votes,
            "crew": [],
            "guest_stars": [],
        }
        for episode in season.episodes
    ]


def season_details(series: Series, season: Season, lang: int) -> Json:
    summary = {k: v for k, v in _season_summary(series, season, lang).items() if k != "episode_count"}
    return {"_id": f"{summary['id']:024x}", **summary, "episodes": _episodes(series, season, lang)}


def tv_details(series: Series, lang: int) -> Json:
    last = series.seasons[-1]
    return {
        **_details(series, lang),
        "created_by": [],
        "episode_run_time": [series.runtime],
        "in_production": series.status != "Ended",
        "languages": [series.original_language],
        "last_air_date": last.episodes[-1].air_date,
        "last_episode_to_air": _episodes(series, last, lang)[-1],
        "next_episode_to_air": None,
        "networks": [],
        "number_of_episodes": sum(len(season.episodes) for season in series.seasons),
        "number_of_seasons": len(series.seasons),
        "seasons": [_season_summary(series, season, lang) for season in series.seasons],
        "type": "Scripted",
    }


def _external_ids(title: Title) -> Json:
    ids: Json = dict.fromkeys(("wikidata_id", "facebook_id", "instagram_id", "twitter_id"))
    ids["imdb_id"] = title.imdb_id or None
    if title.kind == "tv":
        ids.update({"freebase_mid": None, "freebase_id": None, "tvdb_id": title.tvdb_id, "tvrage_id": None})
    return ids


def _alternative_titles(title: Title) -> Json:
    found = [{"iso_3166_1": country, "title": name, "type": ""} for country, name in title.alternatives]
    return {"titles" if title.kind == "movie" else "results": found}


def _translations(title: Title) -> Json:
    name = "title" if title.kind == "movie" else "name"
    languages = (("US", "en", "English", "English"), ("FR", "fr", "Français", "French"))
    return {
        "translations": [
            {
                "iso_3166_1": country,
                "iso_639_1": code,
                "name": own,
                "english_name": english,
                "data": {name: title.title[lang], "overview": title.overview[lang], "homepage": "", "tagline": ""},
            }
            for lang, (country, code, own, english) in enumerate(languages)
        ]
    }


def _release_dates(title: Title) -> Json:
    """Cinemas (type 3) first, at home (type 4) fifty days later; nothing for what has no day yet."""
    if not title.released:
        return {"results": []}
    cinema = date.fromisoformat(title.released)
    days = [
        {"certification": "", "descriptors": [], "iso_639_1": "", "note": "", "release_date": f"{day}T00:00:00.000Z", "type": kind}
        for kind, day in ((3, cinema), (4, cinema + AT_HOME))
    ]  # fmt: skip
    return {"results": [{"iso_3166_1": title.country, "release_dates": days}]}


def appended(title: Title, request: Request, lang: int) -> Json:
    """The parts named by append_to_response; unknown ones are left out, as TMDB does."""
    found: Json = {}
    for part in request.query.get("append_to_response", "").split(",")[:20]:
        if part == "external_ids":
            found[part] = _external_ids(title)
        elif part == "alternative_titles":
            found[part] = _alternative_titles(title)
        elif part == "translations":
            found[part] = _translations(title)
        elif part == "credits":
            found[part] = {"cast": [], "crew": []}
        elif part == "keywords":
            found[part] = {"keywords" if title.kind == "movie" else "results": []}
        elif part == "images":
            found[part] = {"backdrops": [], "logos": [], "posters": []}
        elif part == "release_dates" and title.kind == "movie":
            found[part] = _release_dates(title)
        elif part in ("videos", "content_ratings"):
            found[part] = {"results": []}
        elif part.startswith("season/") and isinstance(title, Series):
            season = _season(title, part.removeprefix("season/"))
            found |= {part: season_details(title, season, lang)} if season else {}
    return found


def _season(series: Series, number: str) -> Season | None:
    return next((season for season in series.seasons if str(season.number) == number), None)


def paged(rows: list[Json], page: int, endless: bool) -> Response:
    """One page of a search answer; `endless` is the broken TMDB whose last page never comes."""
    if not 1 <= page <= MAX_PAGE:
        return error(22)
    if endless and rows:
        shown = (rows * PAGE_SIZE)[:PAGE_SIZE]
        total, pages = PAGE_SIZE * ENDLESS_PAGES, ENDLESS_PAGES
    else:
        shown = rows[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
        total, pages = len(rows), max(1, -(-len(rows) // PAGE_SIZE))
    return json_response({"page": page, "results": shown, "total_pages": pages, "total_results": total})


async def search(request: Request) -> Response:
    kind = request.args["kind"]
    lang = _language(request)
    try:
        page = request.number("page", 1)
        year = next((int(v) for name in YEARS[kind] if (v := request.query.get(name))), None)
    except ValueError:
        return error(22)
    only = None if kind == "multi" else cast(Kind, kind)
    found = catalogue.search(request.query.get("query", ""), only, year)
    return paged([listed(title, lang, kind == "multi") for title in found], page, request.endless)


async def details(request: Request) -> Response:
    kind = cast(Kind, request.args["kind"])
    number = request.args["id"].split("-")[0]
    title = catalogue.by_tmdb_id(kind, int(number)) if number.isdecimal() else None
    if title is None:
        return error(34)
    lang = _language(request)
    body = tv_details(title, lang) if isinstance(title, Series) else movie_details(title, lang)
    return json_response({**body, **appended(title, request, lang)})


async def part(request: Request) -> Response:
    """One part of a title by itself: movie/{id}/external_ids and the like."""
    request.query["append_to_response"] = request.args["part"]
    whole = await details(request)
    if whole.status != 200:
        return whole
    title = catalogue.by_tmdb_id(cast(Kind, request.args["kind"]), int(request.args["id"].split("-")[0]))
    found = appended(title, request, _language(request)) if title else {}
    if request.args["part"] not in found:
        return error(34)
    return json_response({"id": title.tmdb_id if title else None, **found[request.args["part"]]})


async def season(request: Request) -> Response:
    number = request.args["id"].split("-")[0]
    series = catalogue.by_tmdb_id("tv", int(number)) if number.isdecimal() else None
    found = _season(series, request.args["season"]) if isinstance(series, Series) else None
    if not isinstance(series, Series) or found is None:
        return error(34)
    return json_response(season_details(series, found, _language(request)))


async def genres(request: Request) -> Response:
    names = catalogue.MOVIE_GENRES if request.args["kind"] == "movie" else catalogue.TV_GENRES
    lang = _language(request)
    return json_response({"genres": [{"id": number, "name": name[lang]} for number, name in names.items()]})


async def configuration(request: Request) -> Response:
    base = f"{request.base_url}/tmdb/images/"
    images = {
        "base_url": base,
        "secure_base_url": base,
        "backdrop_sizes": ["w300", "w780", "w1280", "original"],
        "logo_sizes": ["w45", "w92", "w154", "w185", "w300", "w500", "original"],
        "poster_sizes": ["w92", "w154", "w185", "w342", "w500", "w780", "original"],
        "profile_sizes": ["w45", "w185", "h632", "original"],
        "still_sizes": ["w92", "w185", "w300", "original"],
    }
    return json_response({"images": images, "change_keys": ["images", "overview", "title"]})


async def find(request: Request) -> Response:
    source, wanted = request.query.get("external_source", ""), request.args["id"]
    lang = _language(request)
    found = [
        title
        for title in catalogue.TITLES
        if (source == "imdb_id" and title.imdb_id == wanted)
        or (source == "tvdb_id" and title.tvdb_id and str(title.tvdb_id) == wanted)
    ]
    return json_response(
        {
            "movie_results": [listed(title, lang, True) for title in found if title.kind == "movie"],
            "person_results": [],
            "tv_results": [listed(title, lang, True) for title in found if title.kind == "tv"],
            "tv_episode_results": [],
            "tv_season_results": [],
        }
    )


async def missing(_: Request) -> Response:
    return error(34)


def guarded(handler: Handler) -> Handler:
    """Refuse a request without a key that this TMDB knows: api_key in the query (v3) or a bearer token (v4)."""

    async def check(request: Request) -> Response:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if (request.query.get("api_key") or bearer) not in keys.TMDB:
            return error(7)
        return await handler(request)

    return check


def add_routes(router: Router) -> None:
    for pattern, handler in (
        ("search/{kind:movie|tv|multi}", search),
        ("genre/{kind:movie|tv}/list", genres),
        ("configuration", configuration),
        ("find/{id}", find),
        ("{kind:movie|tv}/{id}", details),
        ("tv/{id}/season/{season}", season),
        ("{kind:movie|tv}/{id}/{part}", part),
        ("{rest:.*}", missing),
    ):
        router.add("GET", f"/tmdb/3/{pattern}", guarded(handler))
