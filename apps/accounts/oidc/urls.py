"""Addresses of signing in with a provider, taken up by `apps.accounts.urls`."""

from django.urls import URLPattern, path

from apps.accounts.oidc import pages as html

pages: list[URLPattern] = [
    path("login/oidc", html.sign_in, name="oidc-sign-in"),
    path("login/oidc/callback", html.callback, name="oidc-callback"),
    path("profile/oidc", html.page, name="oidc"),
    path("profile/oidc/link", html.link, name="oidc-link"),
    path("profile/oidc/unlink", html.unlink, name="oidc-unlink"),
]
