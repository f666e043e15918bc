"""Addresses of sign-ins, taken up by `apps.accounts.urls`."""

from django.urls import URLPattern, path

from apps.accounts.sign_ins import pages as html
from apps.accounts.sign_ins import views

api: list[URLPattern] = [
    path("user/sign-ins", views.SignIns.as_view()),
    path("user/sign-ins/<uuid:sign_in_id>", views.OneSignIn.as_view()),
    path("admin/users/<int:user_id>/sign-ins", views.SomebodysSignIns.as_view()),
    path("admin/users/<int:user_id>/sign-ins/<uuid:sign_in_id>", views.SomebodysSignIn.as_view()),
]
pages: list[URLPattern] = [
    path("profile/sign-ins", html.sign_ins, name="sign-ins"),
    path("profile/sign-ins/<uuid:sign_in_id>/end", html.end, name="sign-in-end"),
]
