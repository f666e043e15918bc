"""Addresses of this app: `api` stands at / and /api/v1/, `pages` under /app/."""

from django.urls import URLPattern, path

from apps.feed import views

api: list[URLPattern] = [
    path("notifications", views.NotificationsView.as_view()),
    path("notifications/read", views.ReadView.as_view()),
]
pages: list[URLPattern] = []
