"""What libtorrent and the system say of torrents and disks, in the reader's language: of all that they may say, what people meet."""

from django.utils import translation
from django.utils.translation import gettext, gettext_noop

from sokoul.said import Said, said

TEXTS = frozenset(
    {
        gettext_noop("missing or invalid 'info' section in torrent file"),
        gettext_noop("invalid or missing 'piece length' entry in torrent file"),
        gettext_noop("missing name in torrent file"),
        gettext_noop("invalid length of torrent"),
        gettext_noop("failed to parse files from torrent file"),
        gettext_noop("invalid or missing 'pieces' entry in torrent file"),
        gettext_noop("incorrect number of piece hashes in torrent file"),
        gettext_noop("too many pieces in torrent"),
        gettext_noop("no files in torrent"),
        gettext_noop("No such file or directory"),
        gettext_noop("Input/output error"),
        gettext_noop("Permission denied"),
        gettext_noop("Too many open files"),
        gettext_noop("File too large"),
        gettext_noop("Read-only file system"),
        gettext_noop("Stale file handle"),
        gettext_noop("Disk quota exceeded"),
        gettext_noop("Connection timed out"),
    }
)


def spoken(text: str) -> str:
    """In the language that is active; what nobody has put into words here stays as it is."""
    return translation.gettext(text) if text in TEXTS else text


def already_there() -> Said:
    return said(lambda: gettext("This torrent is already being downloaded."))


def not_added(error: Exception) -> Said:
    why = str(error).partition(" [")[0]  # without libtorrent's category
    return said(lambda: gettext("This torrent cannot be added: %(why)s.") % {"why": spoken(why)})
