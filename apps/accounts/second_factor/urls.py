"""Addresses of the second factor, taken up by `apps.accounts.urls`."""

from django.urls import URLPattern, path

from apps.accounts.second_factor import pages as html
from apps.accounts.second_factor import steps, views

api: list[URLPattern] = [
    path("user/second-factor", views.Factor.as_view()),
    path("user/second-factor/confirm", views.Confirmation.as_view()),
    path("user/second-factor/disable", views.Disabling.as_view()),
    path("user/second-factor/recovery-codes", views.RecoveryCodes.as_view()),
    path("admin/users/<int:user_id>/second-factor", views.SomebodysFactor.as_view()),
]
pages: list[URLPattern] = [
    path("login/code", steps.second_step, name="login-code"),
    path("profile/second-factor", html.page, name="second-factor"),
    path("profile/second-factor/begin", html.begin, name="second-factor-begin"),
    path("profile/second-factor/confirm", html.confirm, name="second-factor-confirm"),
    path("profile/second-factor/recovery-codes", html.renew, name="second-factor-renew"),
    path("profile/second-factor/disable", html.disable, name="second-factor-disable"),
]
