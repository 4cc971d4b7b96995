"""Sends ratings of therapy sessions to Rapport, and reads what became of them."""

from rapport_client import calls
from rapport_client.async_client import AsyncRapport
from rapport_client.client import Rapport
from rapport_client.errors import RapportError, Refused, Unavailable
from rapport_client.models.ingest import LineResult, Rating, SentScores
from rapport_client.requests import Addresses

__all__ = [
    "Addresses",
    "AsyncRapport",
    "LineResult",
    "Rapport",
    "RapportError",
    "Rating",
    "Refused",
    "SentScores",
    "Unavailable",
    "calls",
]
