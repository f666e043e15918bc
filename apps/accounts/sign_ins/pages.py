"""HTML: the page of one's sign-ins."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.models import User
from apps.accounts.sign_ins import services
from sokoul.api import listing
from sokoul.pages import page_of, paging, signed_in

PAGE = "app:sign-ins"


@signed_in
@require_safe
def sign_ins(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    page, rows = page_of(request), services.of_user(request.user)
    found = listing(list(rows[page.rows]), rows.count(), page)
    context = {"found": found, "paging": paging(found), "current": services.of_session(request.session)}
    return render(request, "accounts/sign_ins.html", context)


@signed_in
@require_POST
def end(request: HttpRequest, sign_in_id: UUID) -> HttpResponse:
    assert isinstance(request.user, User)
    own = sign_in_id == services.of_session(request.session)
    services.end(request.user.pk, sign_in_id, by=request.user)
    if own:
        logout(request)
        return redirect("app:login")
    messages.success(request, _("That sign-in has ended."))
    return redirect(PAGE)
