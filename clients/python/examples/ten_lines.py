"""Sends one rating a line from standard input, and says what became of each."""

import os
import sys

from rapport_client import Addresses, Rapport, Rating

key, ingest = os.environ["RAPPORT_KEY"], Addresses(os.environ["RAPPORT_INGEST_URL"])
with Rapport(key, ingest, practice=os.environ.get("RAPPORT_PRACTICE")) as rapport:
    for rating, result in rapport.send_batch(Rating.model_validate_json(line) for line in sys.stdin):
        print(rating.session_id, result.status, result.id or result.errors)
