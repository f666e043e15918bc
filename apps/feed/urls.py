"""Addresses of this app: `api` stands at / and /api/v1/, `pages` under /app/."""

from django.urls import URLPattern, path

from apps.feed import pages as html
from apps.feed import views

api: list[URLPattern] = [
    path("notifications", views.NotificationsView.as_view()),
    path("notifications/read", views.ReadView.as_view()),
]
pages: list[URLPattern] = [
    path("notifications", html.listed, name="notifications"),
    path("notifications/read", html.mark_read, name="read"),
]
