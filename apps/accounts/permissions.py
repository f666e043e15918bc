"""Who may call a REST view. `SignedIn` is the default of every view: nothing is open by omission."""

from typing import Any

from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.request import Request

from apps.accounts.models import Role, User

Anyone = AllowAny


class SignedIn(BasePermission):
    roles: frozenset[str] = frozenset(Role.values)

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.user, User) and request.user.is_active and request.user.role in self.roles


class IsModerator(SignedIn):
    """Moderators and admins."""

    roles = frozenset({Role.MODERATOR.value, Role.ADMIN.value})


class IsAdmin(SignedIn):
    roles = frozenset({Role.ADMIN.value})
