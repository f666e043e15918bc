"""HTML: one's picture, on the profile and in the head of every page."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.accounts import avatars
from apps.accounts.models import User
from sokoul.errors import PermanentError
from sokoul.pages import signed_in

YEAR = 31_536_000


@require_safe
def show(request: HttpRequest, name: str) -> HttpResponse:
    """One's own, and by its name, which is another one after each change: so browsers may keep it."""
    user = request.user
    data = avatars.read(user) if isinstance(user, User) and user.avatar == name else None
    if data is None:
        raise Http404
    headers = {**avatars.HEADERS, "Cache-Control": f"private, max-age={YEAR}, immutable"}
    response = HttpResponse(data, content_type=avatars.TYPE, headers=headers)
    patch_vary_headers(response, ["Cookie"])
    return response


@signed_in
@require_POST
def change(request: HttpRequest) -> HttpResponse:
    """`file` replaces it, `remove` removes it."""
    assert isinstance(request.user, User)
    if "remove" in request.POST:
        avatars.forget(request.user)
        return redirect("app:profile")
    file = request.FILES.get("file")
    if file is None:
        raise PermanentError(_("Choose a picture first."))
    avatars.change(request.user, file.read(avatars.MAX_BYTES + 1))
    messages.success(request, _("Saved."))
    return redirect("app:profile")
