"""Describes each operation of the three services as a value, which a client's `call` carries out."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar
from urllib.parse import quote

from pydantic import BaseModel

from rapport_client.models.ingest import Accepted, Instruments, Rating, Valid
from rapport_client.models.notifier import (
    MessageBalance,
    NextSessionStatement,
    NotificationPage,
    StoredNextSession,
    StoredTherapist,
    TherapistEntry,
)
from rapport_client.models.results import (
    ClientRename,
    EpisodeDetail,
    EpisodePage,
    PracticeBalance,
    RatingStatus,
    RejectionPage,
    RenamedClient,
)

Answer = TypeVar("Answer", bound=BaseModel | None)


class Service(Enum):
    """The services that answer requests, each at an address of its own."""

    INGEST = "ingest"
    RESULTS = "results"
    NOTIFIER = "notifier"


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """One request: carrying it out again changes nothing more, so it is repeated until it is answered."""

    service: Service
    method: str
    path: str
    """As the OpenAPI document writes it, with the names of `ids` in braces."""
    answer: type[Answer]
    ids: dict[str, str] = field(default_factory=dict, repr=False)
    params: dict[str, str] = field(default_factory=dict)
    body: BaseModel | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The path with its ids."""
        return self.path.format(**{name: quote(value, safe="") for name, value in self.ids.items()})


def send_rating(rating: Rating, *, history: bool = False) -> Call[Accepted]:
    """Return the call that sends one rating; its answer means that the rating is stored durably.

    History is assessed when no other ratings wait.
    """
    params = {"history": "true"} if history else {}
    return Call(Service.INGEST, "POST", "/v1/ratings", Accepted, params=params, body=rating)


def check_rating(rating: Rating) -> Call[Valid]:
    """Return the call that checks and scores a rating; nothing is stored."""
    params = {"dry_run": "true"}
    return Call(Service.INGEST, "POST", "/v1/ratings", Valid, params=params, body=rating)


def instruments() -> Call[Instruments]:
    """Return the call that lists the questionnaires a rating may name."""
    return Call(Service.INGEST, "GET", "/v1/instruments", Instruments)


def rating_status(rating_id: str) -> Call[RatingStatus]:
    """Return the call that asks what became of one rating."""
    ids = {"rating_id": rating_id}
    return Call(Service.RESULTS, "GET", "/v1/ratings/{rating_id}", RatingStatus, ids)


def rejections(after: str | None = None, limit: int = 100) -> Call[RejectionPage]:
    """Return the call that lists rejected ratings; `after` is the page's `next` of the answer before."""
    return Call(Service.RESULTS, "GET", "/v1/rejections", RejectionPage, params=_page(after, limit))


def episodes(after: str | None = None, limit: int = 100) -> Call[EpisodePage]:
    """Return the call that lists episodes; `after` is the page's `next` of the answer before."""
    return Call(Service.RESULTS, "GET", "/v1/episodes", EpisodePage, params=_page(after, limit))


def episode(episode_id: str) -> Call[EpisodeDetail]:
    """Return the call that reads one episode with its changes."""
    ids = {"episode_id": episode_id}
    return Call(Service.RESULTS, "GET", "/v1/episodes/{episode_id}", EpisodeDetail, ids)


def balance() -> Call[PracticeBalance]:
    """Return the call that counts a practice's deliveries by outcome, and its episodes."""
    return Call(Service.RESULTS, "GET", "/v1/balance", PracticeBalance)


def rename_client(client_id: str, new_client_id: str) -> Call[RenamedClient]:
    """Return the call that gives a client another reference, with everything that is stored."""
    body = ClientRename(client_id=client_id, new_client_id=new_client_id)
    return Call(Service.RESULTS, "POST", "/v1/clients/rename", RenamedClient, body=body)


def put_therapist(therapist_id: str, entry: TherapistEntry) -> Call[StoredTherapist]:
    """Return the call that stores how a therapist is reached."""
    ids = {"therapist_id": therapist_id}
    return Call(Service.NOTIFIER, "PUT", "/v1/therapists/{therapist_id}", StoredTherapist, ids, body=entry)


def therapist(therapist_id: str) -> Call[StoredTherapist]:
    """Return the call that reads how a therapist is reached."""
    ids = {"therapist_id": therapist_id}
    return Call(Service.NOTIFIER, "GET", "/v1/therapists/{therapist_id}", StoredTherapist, ids)


def delete_therapist(therapist_id: str) -> Call[None]:
    """Return the call that removes a therapist from the directory."""
    ids = {"therapist_id": therapist_id}
    return Call(Service.NOTIFIER, "DELETE", "/v1/therapists/{therapist_id}", type(None), ids)


def put_next_session(client_id: str, statement: NextSessionStatement) -> Call[StoredNextSession]:
    """Return the call that says when a client's next session is."""
    ids = {"client_id": client_id}
    path = "/v1/clients/{client_id}/next-session"
    return Call(Service.NOTIFIER, "PUT", path, StoredNextSession, ids, body=statement)


def notifications(after: str | None = None, limit: int = 100) -> Call[NotificationPage]:
    """Return the call that lists decisions to notify; `after` is the page's `next` of the answer before."""
    return Call(Service.NOTIFIER, "GET", "/v1/notifications", NotificationPage, params=_page(after, limit))


def message_balance() -> Call[MessageBalance]:
    """Return the call that counts a practice's messages by channel and state."""
    return Call(Service.NOTIFIER, "GET", "/v1/balance", MessageBalance)


def _page(after: str | None, limit: int) -> dict[str, str]:
    return {"limit": str(limit)} | ({} if after is None else {"after": after})
