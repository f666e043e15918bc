"""Addresses of this app: `api` stands at / and /api/v1/, `pages` under /app/."""

from django.urls import URLPattern

api: list[URLPattern] = []
pages: list[URLPattern] = []
