"""Addresses of this app: `api` stands at / and /api/v1/, `pages` under /app/."""

from django.urls import URLPattern, path

from apps.jobs import views

api: list[URLPattern] = [
    path("jobs", views.Jobs.as_view(), name="jobs"),
    path("jobs/<uuid:job_id>", views.OneJob.as_view(), name="job"),
]
pages: list[URLPattern] = []
