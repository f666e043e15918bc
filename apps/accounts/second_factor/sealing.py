"""Secrets that have to be read again, encrypted where they rest: Fernet under keys derived from Django's SECRET_KEY ring.

Every key of the ring opens, the first one seals. A backup or a stolen dump without SECRET_KEY gives nobody a code.
"""

import base64
import functools

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.translation import gettext as _

from sokoul.errors import PermanentError

PURPOSE = b"sokoul second factor"


@functools.lru_cache(maxsize=4)
def _ring(secrets: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([_key(secret) for secret in secrets])


def _key(secret: str) -> Fernet:
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=PURPOSE).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))


def _keys() -> MultiFernet:
    # str(): the key of now, where the setting is one that is read again (sokoul.signing_keys)
    return _ring((str(settings.SECRET_KEY), *settings.SECRET_KEY_FALLBACKS))


def seal(text: str) -> str:
    return _keys().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """PermanentError (409) where no key of the ring opens it: SECRET_KEY was changed without keeping the old one."""
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise PermanentError(
            _(
                "The key of your authenticator app cannot be read any more, because SECRET_KEY was changed. Sign in with a "
                "recovery code, or ask an admin to remove your second factor."
            ),
            code="second_factor_unreadable",
            status=409,
        ) from None


def reseal(sealed: str, under: str = "") -> str:
    """The same under the first key of the ring, or under this one; unchanged where nothing opens it."""
    try:
        opened = _keys().decrypt(sealed.encode())
        return (_key(under) if under else _keys()).encrypt(opened).decode()
    except InvalidToken:
        return sealed
