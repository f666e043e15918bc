"""What a release holds, judged by the list of its files before a byte of them is fetched."""

from django.utils.translation import gettext as _

from apps.downloads.engine import video
from apps.downloads.engine.metainfo import MetaInfo
from sokoul.errors import PermanentError
from sokoul.said import said

# Codes of refusals that are the release's own fault: another release of the same title may do.
REFUSALS = frozenset({"dangerous", "archived", "only_samples", "no_video"})
NAMED = 3  # files that a sentence names


def check_content(meta: MetaInfo) -> None:
    """Refuse what hides a program or has nothing to play. Raises PermanentError with a code of REFUSALS."""
    if posing := video.impostors(meta):
        names = ", ".join(file.path for file in posing[:NAMED])
        posing_as = said(
            lambda: _("This release holds a program posing as a film (%(names)s) and was refused.") % {"names": names}
        )
        raise PermanentError(posing_as, code="dangerous")
    if video.only_samples(meta):
        raise PermanentError(said(lambda: _("This release holds nothing but samples.")), code="only_samples")
    if not video.playable(meta):
        if any(video.is_archive(file) for file in meta.files):
            packed = said(lambda: _("This release is packed in archives, which are not unpacked here."))
            raise PermanentError(packed, code="archived")
        raise PermanentError(said(lambda: _("This release holds no playable video.")), code="no_video")


def left_out(meta: MetaInfo) -> frozenset[int]:
    """Indexes of the files that are neither fetched nor filed: programs beside a good film."""
    return frozenset(file.index for file in video.programs(meta))
