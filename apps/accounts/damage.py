"""Telling admins that a row is damaged: once a day and row, however often it is read."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.channels import preferences
from apps.accounts.models import Role, User
from apps.feed import push
from apps.feed.models import Event

CODE = "damaged_row"
AGAIN = timedelta(days=1)
preferences.offer(CODE, gettext_lazy("A row of the database is damaged (admins)"))


def tell_admins(table: str, row: str) -> None:
    told = Event.objects.filter(
        type="notification", at__gt=timezone.now() - AGAIN, data__code=CODE, data__table=table, data__row=row
    )
    gaps = {"row": row, "table": table}

    def words() -> str:
        return (
            _("Row %(row)s of table %(table)s is damaged and was left out. Look into it, or restore a backup.") % gaps
        )

    with transaction.atomic():
        if told.exists():
            return
        for admin in User.objects.filter(role=Role.ADMIN, is_active=True).order_by("pk"):
            push.notify(admin.pk, "damaged_row", words, **gaps)
