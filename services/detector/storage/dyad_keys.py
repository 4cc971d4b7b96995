"""Encodes the keys of dyads for statements: practice and id, as every key begins with the practice."""

from collections.abc import Collection

from services.detector.domain.dyad_work import DyadWork
from services.runtime.postgres.arrays import Array, texts, uuids


def practice_keys(dyads: Collection[DyadWork]) -> tuple[Array, Array]:
    """Return the practices and the ids of dyads, as arrays of text and of uuid."""
    return texts([dyad.who.practice_id for dyad in dyads]), uuids([dyad.id for dyad in dyads])
