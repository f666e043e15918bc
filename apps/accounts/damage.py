"""Telling admins that a row is damaged: once a day and row, however often it is read."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts import alarms
from apps.accounts.channels import preferences

CODE = "damaged_row"
preferences.offer(CODE, gettext_lazy("A row of the database is damaged (admins)"))


def tell_admins(table: str, row: str) -> None:
    gaps = {"row": row, "table": table}

    def words() -> str:
        return (
            _("Row %(row)s of table %(table)s is damaged and was left out. Look into it, or restore a backup.") % gaps
        )

    alarms.tell_admins("damaged_row", words, **gaps)
