"""route: finds who is to be told and over which channels, and holds back what the detector kept back."""

from dataclasses import replace

from schemas.events import EpisodeChanged
from services.notifier.channels.registry import OUTGOING, Channel
from services.notifier.directory.store import find_practices, find_therapists
from services.notifier.domain.decision import SENT_CHANGES, Reason
from services.notifier.domain.notice import Notice
from services.runtime.outbox.transaction import Transaction

_PLANNED = (Channel.INBOX, *OUTGOING)


async def route(tx: Transaction, notices: list[Notice]) -> list[Notice]:
    """Give each notice its therapist, its practice and a first plan. A heartbeat has no one to tell."""
    changes = [notice.change for notice in notices if notice.change is not None]
    if not changes:
        return notices
    therapists = await find_therapists(tx.conn, [(c.practice_id, c.therapist_id) for c in changes])
    practices = await find_practices(tx.conn, [c.practice_id for c in changes])

    def routed(notice: Notice, change: EpisodeChanged) -> Notice:
        practice = practices.get(change.practice_id)
        found = replace(
            notice,
            therapist=therapists.get((change.practice_id, change.therapist_id)),
            practice_told=practice is None or practice.told,
            plan=dict.fromkeys(_PLANNED, _telling(change)),
        )
        if change.kept_back is not None:
            return found.hold(Reason(change.kept_back.value), *_PLANNED)
        return found

    return [routed(one, one.change) if one.change is not None else one for one in notices]


def _telling(change: EpisodeChanged) -> Reason:
    return Reason.TO_REVIEW if change.change in SENT_CHANGES else Reason.ITEM_UPDATED
