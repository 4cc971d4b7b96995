"""Writes the request that sends a first rating, to be copied into a terminal."""


def first_rating_request(ingest_url: str, key: str) -> str:
    """Return a `curl` command; the key may be the name of a variable that holds it."""
    return (
        f'  curl -s {ingest_url}/v1/ratings -H "Authorization: Bearer {key}" \\\n'
        '    -H \'Content-Type: application/json\' -d \'{"client_id": "c-1", "therapist_id": "t-1", '
        '"session_id": "s-1", "session_at": "2026-01-05T10:00:00+01:00", "instrument": "srs", '
        '"items": [9.2, 8.8, 9.0, 9.1]}\''
    )
