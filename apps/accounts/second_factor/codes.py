"""What proves the second factor: six digits of the moment (RFC 6238), or one of ten recovery codes. Pure; rows are elsewhere."""

import base64
import hashlib
import re
import secrets
import time
from typing import Any

import pyotp
import segno
from django.utils.safestring import SafeString
from pyotp.exceptions import OTPVerificationError

ISSUER = "Sokoul"
WINDOW = 1  # steps of 30 s before and after the current one (RFC 6238, 5.2)
RECOVERY_CODES = 10
# 120 bits: from 112 on, a plain hash protects a look-up secret (ASVS 5.0, V6.5.2)
RECOVERY_BYTES = 15
LONGEST = 64
_TOTP = re.compile(r"[0-9]{6}")


def new_secret() -> str:
    """160 bits in base32, as RFC 4226 recommends."""
    return pyotp.random_base32()


def address(secret: str, username: str) -> str:
    """What a QR code hands over to an authenticator app."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)


def picture(uri: str) -> SafeString:
    """The QR code as an element of the page: dark on white in either colour scheme, or no camera reads it."""
    drawn: Any = segno.make(uri, error="m")
    svg: str = drawn.svg_inline(scale=5, dark="#000", light="#fff", svgclass="qr", lineclass=None, omitsize=False)
    return SafeString(svg)  # squares that segno drew, no text


def plain(code: str) -> str:
    """As it was typed, without what people put between groups."""
    return re.sub(r"[\s-]", "", code[:LONGEST]).upper()


def is_totp(code: str) -> bool:
    return bool(_TOTP.fullmatch(code))


def step_of(secret: str, code: str) -> int | None:
    """The time step, within the window, whose code this is. Compared in constant time."""
    try:
        return pyotp.TOTP(secret).verify_and_get_timecode(code, for_time=time.time(), valid_window=WINDOW)
    except OTPVerificationError:
        return None


def new_recovery_codes() -> list[str]:
    """ABCDEF-GHIJKL-MNOPQR-STUVWX, ten of them."""
    return [_grouped(base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode()) for _ in range(RECOVERY_CODES)]


def _grouped(text: str) -> str:
    return "-".join(text[start : start + 6] for start in range(0, len(text), 6))


def digest(code: str) -> str:
    return hashlib.sha256(plain(code).encode()).hexdigest()
