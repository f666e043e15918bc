"""Addresses of this app: `api` stands at / and /api/v1/, `pages` under /app/."""

from django.urls import URLPattern, path

from apps.downloads import search_views, views

api: list[URLPattern] = [
    path("downloads", views.DownloadsView.as_view()),
    path("downloads/start", views.StartView.as_view()),
    path("downloads/<int:download_id>", views.DownloadView.as_view()),
    path("downloads/<int:download_id>/pause", views.PauseView.as_view()),
    path("downloads/<int:download_id>/resume", views.ResumeView.as_view()),
    path("downloads/<int:download_id>/retry", views.RetryView.as_view()),
    path("downloads/<int:download_id>/files", views.FilesView.as_view()),
    path("library", views.LibraryView.as_view()),
    *search_views.api,
]
pages: list[URLPattern] = []
