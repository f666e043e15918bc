"""Addresses of this app; they stand at / only, for they belong to Telegram and not to the API."""

from django.urls import URLPattern, path

from apps.bot import incoming, views

hooks: list[URLPattern] = [path(incoming.WEBHOOK, views.webhook)]
