"""Django's sessions in the database (SESSION_ENGINE), which end with the sign-in that they belong to.

The name of the class is part of what Django signs sessions with: another one would sign everybody out.
"""

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import CreateError, SessionBase
from django.contrib.sessions.backends.db import SessionStore as InDatabase
from django.contrib.sessions.exceptions import SessionInterrupted
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.sign_ins import services
from apps.accounts.sign_ins.models import Kind, Session
from apps.accounts.sign_ins.services import KEY
from sokoul.errors import PermanentError


class SessionStore(InDatabase):
    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        row = super().create_model_instance(data)
        assert isinstance(row, Session)
        row.sign_in_id = data.get(KEY)
        return row

    def _get_session_from_db(self) -> Session | None:
        row: Session | None = super()._get_session_from_db()  # type: ignore[misc]  # the stubs leave it out
        if row is None or row.sign_in is None:
            return row
        if row.sign_in.expires_at <= timezone.now():
            self._session_key = None  # as Django does where there is none
            return None
        services.seen(row.sign_in)
        return row

    def save(self, must_create: bool = False) -> None:
        """SessionInterrupted (400) where the sign-in ended while the request ran: Django would take it for a key that is taken
        already, and look for another one for ever."""
        try:
            super().save(must_create)
        except CreateError:
            if (sign_in := self.get(KEY)) and not services.living([sign_in]):
                raise SessionInterrupted("This sign-in ended while the page was made.") from None
            raise

    def flush(self) -> None:
        """What signs a browser out, whoever calls it."""
        sign_in = services.of_session(self)
        super().flush()
        if sign_in:
            services.remove(sign_in)


@receiver(user_logged_in)
def begin(request: HttpRequest, user: User, **_: Any) -> None:
    """Whichever page has signed somebody in; where they were in already, Django keeps the session, and this one makes room."""
    session: SessionBase = request.session
    if before := services.of_session(session):
        del session[KEY]
        session.cycle_key()
        services.remove(before)
    try:
        session[KEY] = str(services.begin(user, Kind.PAGES).pk)
    except PermanentError:
        session.flush()
        raise
