"""What pages say of the provider that people may sign in with: nothing where none is configured."""

from typing import Any

from django import template

from apps.accounts.oidc import provider

register = template.Library()


@register.inclusion_tag("accounts/_oidc_door.html")
def oidc_door(wanted: str) -> dict[str, Any]:
    """On the sign-in page."""
    return {"provider": provider.name(), "next": wanted}


@register.inclusion_tag("accounts/_oidc_profile.html")
def oidc_profile() -> dict[str, Any]:
    """On the profile page."""
    return {"provider": provider.name()}
