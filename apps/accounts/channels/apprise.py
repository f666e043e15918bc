"""Whatever else there is, by Apprise. It speaks HTTP by itself, past Sokoul's own door, so an allow-list says to whom it may.

The library is imported where a message is sent, by the notifier: it is large, and no other process needs it.
"""

import logging
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from apps.accounts.channels.door import abroad
from apps.accounts.channels.letter import Letter
from apps.accounts.channels.media import Medium, Unusable, register
from apps.accounts.channels.models import Channel, Kind
from apps.accounts.models import User
from sokoul.errors import PermanentError, TransientError

SECONDS = 15.0
# Services with an address of their own that an URL cannot change.
HOSTED = frozenset({
    "discord", "slack", "pover", "pbul", "prowl", "spush", "ifttt", "join", "wxteams", "pushed", "pushy", "line", "notifiarr",
    "onesignal", "revolt",
})  # fmt: skip
# Services that run wherever the URL says, which is for those to decide who could also reach that place otherwise.
ANYWHERE = frozenset({
    "json", "jsons", "xml", "xmls", "form", "forms", "ntfy", "ntfys", "gotify", "gotifys", "mailto", "mailtos", "matrix",
    "matrixs", "mmost", "mmosts", "rocket", "rockets", "bark", "barks", "nctalk", "nctalks", "hassio", "hassios", "apprise",
    "apprises", "zulip",
})  # fmt: skip
# They would tell the log what is sent to whom; what matters reaches us as a result.
for _name in ("apprise", "urllib3"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


def check(url: str, user: User) -> None:
    """Raises PermanentError (400, 403) unless this person may have messages sent there."""
    scheme = _scheme(url)
    if scheme in HOSTED and "?" in url:  # some have a template read from any file or address, or turn checks off
        text = _("Leave out what begins with “?”: Sokoul takes no options of these services.")
        raise PermanentError(text, fields={"target": [text]})
    if scheme in HOSTED or (scheme in ANYWHERE and user.is_admin):
        return
    if scheme in ANYWHERE:
        text = _("Only admins may use %(scheme)s://, which can lead anywhere.") % {"scheme": scheme}
        raise PermanentError(text, code="forbidden", status=403)
    text = _("This is no Apprise URL that Sokoul knows. It begins with one of: %(schemes)s") % {
        "schemes": ", ".join(f"{name}://" for name in sorted(HOSTED))
    }
    raise PermanentError(text, fields={"target": [text]})


def _scheme(url: str) -> str:
    try:
        return urlsplit(url.strip()).scheme
    except ValueError:
        return ""


def tell(channel: Channel, letter: Letter) -> dict[str, Any]:
    check_again(channel)
    from apprise import Apprise, AppriseAsset
    from apprise.common import PersistentStoreMode

    asset = AppriseAsset(
        storage_mode=PersistentStoreMode.MEMORY,
        service_timeout=SECONDS,
        allow_templates=False,
        secure_logging=True,
        http_redirects=False,
        pgp_autogen=False,
        pem_autogen=False,
        async_mode=False,
    )
    service = Apprise.instantiate(channel.target, asset=asset)  # of one URL, whatever it holds
    if service is None:
        raise Unusable(_("Apprise does not understand this URL."))
    apprise = Apprise(asset=asset)
    apprise.add(service)
    with abroad.open():
        taken = apprise.notify(title="Sokoul", body=letter.text)
    if not taken:
        raise TransientError(_("The service did not take the message. Look whether the URL is right."))
    return {"told": True}


def check_again(channel: Channel) -> None:
    """Its owner may have been an admin when it was added."""
    try:
        check(channel.target, channel.user)
    except PermanentError as error:
        raise Unusable(error.message) from None


register(Kind.APPRISE, Medium(tell, ours=False))
