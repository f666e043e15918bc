"""REST: titles, favourites, watch history. Searching stands with the releases, in apps.downloads."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.authentication import user_of
from apps.media import services
from apps.media.serializers import (
    FavoriteRequest,
    FavoriteShape,
    FavoritesShape,
    HistoryShape,
    MediaShape,
    WatchRequest,
    WatchShape,
)  # fmt: skip
from sokoul.api import body, page_of, problems

PAGING = [OpenApiParameter(name, OpenApiTypes.INT) for name in ("page", "limit")]


class MediaDetails(APIView):
    @extend_schema(summary="A title", responses={200: MediaShape, **problems(401, 404, 429, 503)}, tags=["media"])
    def get(self, request: Request, media_id: int) -> Response:
        return Response(services.details(media_id))


class Favorite(APIView):
    @extend_schema(
        summary="Like a title",
        description="201 when it is new, 200 when it was a favourite already.",
        request=FavoriteRequest,
        responses={201: FavoriteShape, 200: FavoriteShape, **problems(400, 401, 404, 429, 503)},
        tags=["media"],
    )
    def post(self, request: Request) -> Response:
        favorite, new = services.add_favorite(user_of(request).pk, body(FavoriteRequest, request)["media_id"])
        return Response(favorite, status=201 if new else 200)


class FavoriteOf(APIView):
    @extend_schema(summary="Like a title no longer", responses={204: None, **problems(401, 429, 503)}, tags=["media"])
    def delete(self, request: Request, media_id: int) -> Response:
        services.remove_favorite(user_of(request).pk, media_id)
        return Response(status=204)


class Favorites(APIView):
    @extend_schema(
        summary="My favourites, newest first",
        parameters=PAGING,
        responses={200: FavoritesShape, **problems(400, 401, 429, 503)},
        tags=["media"],
    )
    def get(self, request: Request) -> Response:
        return Response(services.favorites_json(user_of(request).pk, page_of(request)))


class WatchHistory(APIView):
    @extend_schema(
        summary="What I watched, newest first",
        parameters=PAGING,
        responses={200: HistoryShape, **problems(400, 401, 429, 503)},
        tags=["media"],
    )
    def get(self, request: Request) -> Response:
        return Response(services.history_json(user_of(request).pk, page_of(request)))

    @extend_schema(
        summary="Remember how far I came",
        request=WatchRequest,
        responses={200: WatchShape, **problems(400, 401, 404, 429, 503)},
        tags=["media"],
    )
    def put(self, request: Request) -> Response:
        return Response(services.watched_to(user_of(request).pk, **body(WatchRequest, request)))
