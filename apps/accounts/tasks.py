"""What the notifier and the relay run for this app."""

from typing import Any, Literal

from pydantic import BaseModel

from apps.jobs.registry import Running, chore, failed, handler

# Every worker loads this module, and only the notifier needs what sends.


class ChannelPayload(BaseModel):
    """Jobs `notifier.send`, `notifier.test` and `notifier.confirm`."""

    channel_id: int


class LockedPayload(BaseModel):
    """Job `notifier.locked`; nobody for an account that is not known."""

    user_id: int | None


class ResetPayload(BaseModel):
    """Job `notifier.reset`: what was typed, whether or not somebody has that address."""

    email: str


class ChangedPayload(BaseModel):
    """Job `notifier.changed`; `email` is where its owner is reached, which may be the address from before; `telegram` whose link
    has ended."""

    user_id: int
    email: str
    what: Literal["password", "email"]
    telegram: str = ""


@handler("notifier", "send", ChannelPayload)
def send(payload: ChannelPayload, job: Running) -> dict[str, Any]:
    from apps.accounts.channels import sending

    return sending.send(payload.channel_id, job)


@failed("notifier", "send")
def unsent(payload: ChannelPayload, job: Running, reason: str) -> str:
    """Nobody is notified of a notification that did not arrive: the web shows it anyway."""
    from apps.accounts.channels import sending

    sending.unsent(payload.channel_id, job.id, reason)
    return ""


@handler("notifier", "test", ChannelPayload)
def try_out(payload: ChannelPayload, job: Running) -> dict[str, Any]:
    from apps.accounts.channels import sending

    return sending.try_out(payload.channel_id, job)


@handler("notifier", "confirm", ChannelPayload)
def confirm(payload: ChannelPayload, job: Running) -> dict[str, Any]:
    from apps.accounts.channels import sending

    return sending.confirm(payload.channel_id)


@failed("notifier", "confirm")
def unconfirmed(payload: ChannelPayload, job: Running, reason: str) -> str:
    from apps.accounts.channels import sending

    sending.unconfirmed(payload.channel_id, reason)
    return ""


@handler("notifier", "locked", LockedPayload)
def locked(payload: LockedPayload, job: Running) -> dict[str, Any]:
    from apps.accounts import notices

    return notices.tell_locked(payload.user_id)


@handler("notifier", "reset", ResetPayload)
def reset(payload: ResetPayload, job: Running) -> dict[str, Any]:
    from apps.accounts import resets

    return resets.mail(payload.email)


@handler("notifier", "changed", ChangedPayload)
def changed(payload: ChangedPayload, job: Running) -> dict[str, Any]:
    from apps.accounts import notices

    return notices.mail_changed(payload.user_id, payload.email, payload.what, payload.telegram)


@chore(every=1.0)
def copy_audit_trail() -> int:
    from apps.accounts import copying

    return copying.copy()


@chore(every=3600.0)
def sweep_sign_ins() -> int:
    from apps.accounts.sign_ins import services

    return services.sweep()


@chore(every=60.0)
def anchor_audit_trail() -> int:
    from apps.accounts import anchors

    return anchors.write()
