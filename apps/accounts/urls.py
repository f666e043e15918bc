"""Addresses of this app: `api` stands at / and /api/v1/, `pages` under /app/."""

from django.urls import URLPattern, path

from apps.accounts import (
    admin_views,
    announcing,
    avatar_pages,
    avatar_views,
    key_pages,
    key_views,
    telegram_pages,
    telegram_views,
    views,
)
from apps.accounts import pages as html
from apps.accounts.channels import pages as channel_pages
from apps.accounts.channels import views as channel_views
from apps.accounts.oidc import urls as oidc
from apps.accounts.second_factor import urls as second_factor
from apps.accounts.sign_ins import urls as sign_ins

api: list[URLPattern] = [
    path("auth/register", views.Register.as_view()),
    path("auth/login", views.Login.as_view()),
    path("auth/refresh", views.Refresh.as_view()),
    path("auth/logout", views.Logout.as_view()),
    path("auth/logout/all", views.LogoutEverywhere.as_view()),
    path("auth/password/reset", views.PasswordReset.as_view()),
    path("auth/password/reset/confirm", views.PasswordResetConfirmation.as_view()),
    path("auth/ws-ticket", views.WebSocketTicket.as_view()),
    path("user/profile", views.Profile.as_view()),
    path("user/avatar", avatar_views.Avatar.as_view()),
    path("user/api-keys", key_views.ApiKeys.as_view()),
    path("user/api-keys/<int:key_id>", key_views.OneApiKey.as_view()),
    path("user", views.Account.as_view()),
    path("admin/broadcast", announcing.Broadcast.as_view()),
    path("admin/messages", announcing.Message.as_view()),
    path("admin/users", admin_views.Accounts.as_view()),
    path("admin/users/<int:user_id>", admin_views.OneAccount.as_view()),
    path("admin/dlq", admin_views.DeadLetters.as_view()),
    path("admin/dlq/<int:sequence>/replay", admin_views.Replay.as_view()),
    path("logs", admin_views.Logs.as_view()),
    path("user/telegram", telegram_views.TelegramAccount.as_view()),
    path("user/telegram/link", telegram_views.TelegramOffer.as_view()),
    path("user/telegram/confirm", telegram_views.TelegramConfirmation.as_view()),
    path("user/channels", channel_views.Channels.as_view()),
    path("user/channels/<int:channel_id>", channel_views.OneChannel.as_view()),
    path("user/channels/<int:channel_id>/test", channel_views.Trial.as_view()),
    path("user/channels/<int:channel_id>/confirm", channel_views.Confirmation.as_view()),
    path("user/preferences", channel_views.Preferences.as_view()),
    *second_factor.api,
    *sign_ins.api,
]
pages: list[URLPattern] = [
    path("login", html.SignIn.as_view(), name="login"),
    path("register", html.register, name="register"),
    path("logout", html.sign_out, name="logout"),
    path("logout/all", html.sign_out_everywhere, name="logout-all"),
    path("password/forgot", html.forgotten, name="password-forgot"),
    path("password/reset", html.reset, name="password-reset"),
    path("profile", html.profile, name="profile"),
    path("profile/password", html.change_password, name="password-change"),
    path("profile/email", html.change_email, name="email-change"),
    path("profile/avatar", avatar_pages.change, name="avatar-change"),
    path("avatar/<str:name>", avatar_pages.show, name="avatar"),
    path("profile/keys", key_pages.keys, name="api-keys"),
    path("profile/keys/<int:key_id>/delete", key_pages.delete, name="api-key-delete"),
    path("profile/notifications", channel_pages.page, name="channels"),
    path("profile/channels/add", channel_pages.add, name="channel-add"),
    path("profile/channels/<int:channel_id>/remove", channel_pages.remove, name="channel-remove"),
    path("profile/channels/<int:channel_id>/test", channel_pages.try_out, name="channel-test"),
    path("profile/channels/<int:channel_id>/confirm", channel_pages.confirm, name="channel-confirm"),
    path("profile/preferences", channel_pages.prefer, name="preferences"),
    path("profile/telegram", telegram_pages.state, name="telegram"),
    path("profile/telegram/<slug:verb>", telegram_pages.act, name="telegram-act"),
    path("ticket", html.ticket, name="ticket"),
    *second_factor.pages,
    *sign_ins.pages,
    *oidc.pages,
]
