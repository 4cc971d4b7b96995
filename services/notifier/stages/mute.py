"""mute: holds back what a practice, a therapist or the kind of change does not want told, with the reason."""

from schemas.events import EpisodeChanged
from services.notifier.channels.registry import OUTGOING, Channel
from services.notifier.domain.decision import SENT_CHANGES, Reason
from services.notifier.domain.notice import Notice
from services.notifier.domain.therapist import DEFAULT_CHANNELS
from services.runtime.outbox.transaction import Transaction


async def mute(_tx: Transaction, notices: list[Notice]) -> list[Notice]:
    """Hold back what is not wanted; the first reason that applies is the one that stays."""
    return [_muted(one, one.change) if one.change is not None else one for one in notices]


def _muted(notice: Notice, change: EpisodeChanged) -> Notice:
    if not notice.practice_told:
        notice = notice.hold(Reason.PRACTICE_OFF, Channel.INBOX, *OUTGOING)
    if change.change not in SENT_CHANGES:
        notice = notice.hold(Reason.QUIET_CHANGE, *OUTGOING)
    chosen = notice.therapist.channels if notice.therapist else DEFAULT_CHANNELS
    notice = notice.hold(Reason.NOT_CHOSEN, *(one for one in OUTGOING if one not in chosen))
    if notice.therapist is not None and notice.therapist.quiet:
        notice = notice.hold(Reason.THERAPIST_QUIET, *OUTGOING)
    unknown = (one for one in OUTGOING if notice.therapist is None or not notice.therapist.reachable_by(one))
    return notice.hold(Reason.NO_ADDRESS, *unknown)
