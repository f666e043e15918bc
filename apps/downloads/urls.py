"""Addresses of this app: `api` stands at / and /api/v1/, `pages` under /app/."""

from django.urls import URLPattern, path

from apps.downloads import indexer_views, profile_views, search_views, views
from apps.downloads import pages as html
from apps.downloads.following import pages as following_html
from apps.downloads.following import views as following_views

api: list[URLPattern] = [
    path("downloads", views.DownloadsView.as_view()),
    path("downloads/start", views.StartView.as_view()),
    path("downloads/<int:download_id>", views.DownloadView.as_view()),
    path("downloads/<int:download_id>/pause", views.PauseView.as_view()),
    path("downloads/<int:download_id>/resume", views.ResumeView.as_view()),
    path("downloads/<int:download_id>/retry", views.RetryView.as_view()),
    path("downloads/<int:download_id>/replace", views.ReplaceView.as_view()),
    path("downloads/<int:download_id>/files", views.FilesView.as_view()),
    path("library", views.LibraryView.as_view()),
    path("blocklist", views.BlocklistView.as_view()),
    path("blocklist/<int:blocked_id>", views.BlockedView.as_view()),
    *search_views.api,
    *indexer_views.api,
    *profile_views.api,
    *following_views.api,
]
pages: list[URLPattern] = [
    path("titles/<int:media_id>", html.title_by_id, name="title-by-id"),
    path("titles/<int:media_id>/<str:slug>", html.title, name="title"),
    path("releases/<int:media_id>", html.releases, name="releases"),
    path("releases/<int:media_id>/find", html.find_releases, name="find-releases"),
    path("downloads", html.downloads, name="downloads"),
    path("downloads/start/<int:media_id>", html.start, name="start"),
    path("downloads/<int:download_id>", html.card, name="download"),
    path("downloads/<int:download_id>/<slug:verb>", html.act, name="act"),
    path("blocklist", html.blocked, name="blocklist"),
    path("blocklist/clear", html.unblock_all, name="unblock-all"),
    path("blocklist/<int:blocked_id>/remove", html.unblock, name="unblock"),
    path("library", html.library, name="library"),
    path("follow/<int:media_id>", following_html.follow, name="follow"),
    path("follow/<int:media_id>/end", following_html.unfollow, name="unfollow"),
    path("followed", following_html.followed, name="followed"),
    path("followed/<int:follow_id>/end", following_html.end, name="follow-end"),
    path("followed/<int:follow_id>/keep", following_html.keep, name="keep"),
    path("wanted", following_html.wanted_page, name="wanted"),
    path("wanted/cutoff", following_html.cutoff_page, name="cutoff"),
    path("calendar", following_html.month, name="calendar"),
    path("calendar.ics", following_html.feed, name="calendar-feed"),
    path("calendar/address", following_html.make_address, name="calendar-address"),
    path("calendar/address/revoke", following_html.revoke_address, name="calendar-revoke"),
    path("play/<int:download_id>", html.play_download, name="play-download"),
    path("play/<int:download_id>/<int:index>", html.play, name="play"),
]
