"""Addresses of this app: `api` stands at / and /api/v1/, `pages` under /app/."""

from django.urls import URLPattern, path

from apps.media import pages as html
from apps.media import posters, views

api: list[URLPattern] = [
    path("media/<int:media_id>", views.MediaDetails.as_view()),
    path("media/favorite", views.Favorite.as_view()),
    path("media/favorites", views.Favorites.as_view()),
    path("media/favorite/<int:media_id>", views.FavoriteOf.as_view()),
    path("watch-history", views.WatchHistory.as_view()),
    path("posters/<str:size>/<str:file>", posters.serve),
]
pages: list[URLPattern] = [
    path("", html.home, name="home"),
    path("favourites", html.favourites, name="favourites"),
    path("favourites/<int:media_id>", html.like, name="like"),
    path("history", html.history, name="history"),
    path("watched/<int:media_id>", html.watched, name="watched"),
]
