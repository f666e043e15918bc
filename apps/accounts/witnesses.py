"""What was seen of the audit trail outside of the database, and whether the database still says the same.

The chain alone cannot show that its end was cut off, or that all of it was written anew with hashes that fit: for that its
rows are remembered where the database's owner does not reach, in a file (`anchors`) and on a stream (`copying`).
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from apps.accounts.models import AuditEntry

BATCH = 1000


class Witness(NamedTuple):
    """Row `row_id` had this hash (hexadecimal) at that time, says `where`."""

    row_id: int
    hash: str
    at: datetime
    where: str


class Contradiction(NamedTuple):
    """The first witness whom the database contradicts. `gone`: there is no such row; else it is another one."""

    witness: Witness
    gone: bool

    def words(self, last_id: int) -> str:
        """For the operator, in English; `last_id` is that of the trail's last row."""
        row = f"row {self.witness.row_id}, which {self.witness.where} noted on {self.witness.at:%Y-%m-%d %H:%M:%S}"
        if self.gone and self.witness.row_id > last_id:
            return f"The audit trail was cut off at its end, or is an older one: it ends with row {last_id} and lacks {row}."
        return f"The audit trail was written anew: {row}, is {'not there' if self.gone else 'another one now'}."


def contradiction(witnesses: Iterable[Witness]) -> Contradiction | None:
    """The first of these that the database does not bear out; None when it bears out all."""
    heard = iter(witnesses)
    while batch := list(islice(heard, BATCH)):
        rows = AuditEntry.objects.filter(pk__in={witness.row_id for witness in batch}).values_list("pk", "hash")
        hashes = {row_id: bytes(stored).hex() for row_id, stored in rows}
        for witness in batch:
            if hashes.get(witness.row_id) != witness.hash:
                return Contradiction(witness, gone=witness.row_id not in hashes)
    return None
