"""A provider refused one of its keys: logged each time, and told to the admins, who alone can give it another."""

from django.db import Error, connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts import alarms
from apps.accounts.channels import preferences
from sokoul import logs

log = logs.logger(__name__)
CODE = "key_refused"
preferences.offer(CODE, gettext_lazy("A provider refused one of its keys (admins)"))


def report(provider: str, variable: str, position: int, status: int) -> None:
    """`position` of the key in the list of `variable`, from 1: never the key. Raises nothing: the next key has to be tried."""
    log.error("a provider refused an API key", provider=provider, position=position, status=status)
    gaps = {"provider": provider, "variable": variable, "position": position}

    def words() -> str:
        return _("%(provider)s refuses key number %(position)d of %(variable)s. Replace it, or remove it.") % gaps

    try:
        alarms.tell_admins("key_refused", words, **gaps)
    except Error as error:
        log.error("nobody was told of a refused key", provider=provider, error=str(error))
    finally:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()  # indexers are asked by threads that nobody tidies up after
