"""The webhook: where Telegram posts updates, when the operator has configured its secret."""

import hmac

import orjson
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, HttpResponseNotFound
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.bot import inbox
from sokoul import logs
from sokoul.env import secrets_of

log = logs.logger(__name__)
HEADER = "X-Telegram-Bot-Api-Secret-Token"


@csrf_exempt
@require_POST
def webhook(request: HttpRequest) -> HttpResponse:
    """200 as soon as the update is kept, whatever it is: Telegram would repeat for ever what is refused."""
    secrets = secrets_of("TELEGRAM_WEBHOOK_SECRET")
    if not secrets:
        return HttpResponseNotFound()
    given = request.headers.get(HEADER, "").encode()
    if not any(hmac.compare_digest(given, secret.encode()) for secret in secrets):
        return HttpResponseForbidden()
    try:
        update = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        log.warning("what came to the webhook is no JSON")
        return HttpResponse()
    inbox.accept([update])
    return HttpResponse()
