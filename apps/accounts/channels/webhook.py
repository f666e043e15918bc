"""Webhooks: JSON by POST, signed with a secret that its owner was shown once. docs/notifications.md says how to check it."""

import hashlib
import hmac
import time
from typing import Any

import orjson
from django.utils.translation import gettext as _

from apps.accounts.channels.door import abroad
from apps.accounts.channels.letter import Item, Letter
from apps.accounts.channels.media import Medium, Unusable, register
from apps.accounts.channels.models import Channel, Kind
from sokoul import http
from sokoul.env import ENV
from sokoul.errors import PermanentError, TransientError

SERVICE = "The webhook"
SIGNATURE = "X-Sokoul-Signature"
SECONDS = 10.0
MOST = 64 * 1024  # bytes of an answer that nobody reads
GONE = 410


def check(url: str) -> None:
    """Raises PermanentError, which says what is wrong, unless a webhook may go there."""
    try:
        http.check(url, service=SERVICE, trusted=ENV.webhook_hosts, seconds=3.0)
    except PermanentError as error:
        raise PermanentError(_why(error), fields={"target": [_why(error)]}) from None
    except TransientError:
        text = _("There is no host of this name. Correct the address, or try again later.")
        raise PermanentError(text, fields={"target": [text]}) from None


def _why(error: PermanentError) -> str:
    if error.code == "private_address":
        return _("This address leads into a private network, where webhooks must not go.")
    if error.code == "address":
        return _("This is no usable http or https address.")
    return error.message


def signature(secret: str, body: bytes, at: int) -> str:
    """`at` in Unix seconds is signed along, so that an old message cannot be sent again as a new one."""
    signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={signed.hexdigest()}"


def tell(channel: Channel, letter: Letter) -> dict[str, Any]:
    body = orjson.dumps(_payload(letter), option=orjson.OPT_UTC_Z)
    headers = {"Content-Type": "application/json", SIGNATURE: signature(channel.secret, body, int(time.time()))}
    try:
        with abroad.open():
            answer = http.request(
                "POST",
                channel.target,
                service=SERVICE,
                headers=headers,
                content=body,
                seconds=SECONDS,
                max_bytes=MOST,
                trusted=ENV.webhook_hosts,
                foreign=True,
                answers=[GONE],
            )
    except PermanentError as error:
        if error.code in ("private_address", "address"):
            raise Unusable(_why(error)) from None
        raise TransientError(error.message) from None  # its owner may mend it
    if answer.status == GONE:
        raise Unusable(_("It answered 410: it wants no more messages."))
    return {"status": answer.status}


def _payload(letter: Letter) -> dict[str, Any]:
    """{id, code, text, at, data}; a digest has the same shape, and its notifications as data.events."""
    items = [_item(item) for item in letter.items]
    if len(items) == 1:
        return items[0]
    newest = items[-1]
    return {**newest, "code": "digest", "text": letter.text, "data": {"events": items}}


def _item(item: Item) -> dict[str, Any]:
    return {"id": item.id, "code": item.code, "text": item.text, "at": item.at, "data": item.about}


register(Kind.WEBHOOK, Medium(tell, ours=False))
