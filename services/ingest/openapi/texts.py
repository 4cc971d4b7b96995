"""Texts and examples of the routes, for the OpenAPI document and its page."""

import json
from collections.abc import Sequence
from typing import Any

from services.ingest.refusal import TYPE, RefusalReason
from services.runtime.http.problem import EDGE_RESPONSES, published_problem, retry_later

TITLE = "Rapport: send ratings"
ABOUT = """
Send clients' ratings of their therapy sessions; Rapport tells the therapist when the alliance deteriorates.

1. Try a rating: `POST /v1/ratings?dry_run=true` checks and scores it and stores nothing.
2. Send ratings as they arrive with `POST /v1/ratings`, or a whole history with
   `POST /v1/ratings/batch?history=true`.
3. If a rating got no response, `429`, `503` or `retry`, send it again with the same `id`: it counts once.
4. Ask what became of a rating at its `status_url`: it is `pending` until it was read. 404 says that all that
   was accepted was read and nothing is held under this `id`: send the rating again with the same `id`.

Authenticate with `Authorization: Bearer <key>`. With a network's key, name the practice in the header
`Rapport-Practice`. Try everything out with the key of a sandbox: what is sent with it never meets the
practice's own data and is erased every night, and every response has the header `Rapport-Sandbox: true`.
All ids are pseudonymous references; do not send names, addresses or free text.
Errors are problem details (RFC 9457). They name the field and say what is expected, and never repeat a value.
"""
DRY_RUN = "Only check and score the rating: nothing is stored, and the response is 200 with the scores."
HISTORY = (
    "The ratings are history: they are assessed when no others wait, so that loading years of them delays "
    "nobody's ratings of today. Nothing else differs: what was sent both ways counts once."
)

RATING = {
    "client_id": "c-7f3a91",
    "therapist_id": "t-12",
    "session_id": "s-100023",
    "session_at": "2026-11-20T10:00:00+01:00",
    "instrument": "srs",
    "items": [9.2, 8.8, 9.0, 9.1],
}
_DECLINED = {key: value for key, value in RATING.items() if key != "items"} | {"status": "declined"}
_SCORES = {key: value for key, value in RATING.items() if key != "items"} | {
    "id": "0b0f2c1e-6f53-4e13-9d5e-2f5c3c0e8c11",
    "case_id": "2026-2",
    "scores": {"bond": 9.2, "goal": 8.8, "task": 9.0},
    "next_session_at": "2026-11-27T10:00:00+01:00",
    "recorded_at": "2026-11-20T10:52:00+01:00",
}
_ID = "5d0a5f0e-5ad9-5c1b-8f62-6a3d9a4f0c11"
_SCORED = {
    "scores": {"bond": 0.92, "goal": 0.88, "task": 0.9, "overall": 0.91},
    "in_units": {"bond": 9.2, "goal": 8.8, "task": 9.0, "overall": 9.1},
}
_ERRORS = [{"field": "items", "message": "item 2 is out of range", "expected": "0 to 10"}]


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _ndjson(lines: Sequence[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def _problem(
    status: int, title: str, detail: str, reason: RefusalReason | None, **more: object
) -> dict[str, Any]:
    example = {
        "type": TYPE + reason if reason else "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        **more,
    }
    return published_problem(title, example=example)


_CALLER_PROBLEMS: dict[int | str, dict[str, Any]] = {
    **EDGE_RESPONSES,
    401: _problem(
        401, "Not authenticated", "Send `Authorization: Bearer <key>` with a key that is valid now.", None
    ),
    403: _problem(403, "Not allowed", "This key lacks the scope ratings:write.", None),
    404: published_problem("Not found: this key is not valid for the practice in `Rapport-Practice`"),
    408: _problem(408, "Too slow", "No data arrived for 30 seconds.", RefusalReason.TOO_SLOW),
    413: _problem(413, "Too large", "The body may have at most 16384 bytes.", RefusalReason.TOO_LARGE),
    415: _problem(
        415,
        "Content type not supported",
        "Send `Content-Type: …`, in UTF-8.",
        RefusalReason.MEDIA_TYPE,
    ),
    429: retry_later(
        _problem(429, "Too many ratings", "Wait and send again with the same id.", RefusalReason.TOO_FAST)
    ),
}
CALLER = {
    "security": [{"key": []}],
    "parameters": [
        {
            "name": "Rapport-Practice",
            "in": "header",
            "required": False,
            "description": "The practice; required with a network's key, which is valid for several.",
            "schema": {"type": "string"},
            "example": "practice-1",
        }
    ],
}

SEND_RATING: dict[str, Any] = {
    "summary": "Send one rating",
    "tags": ["ratings"],
    "status_code": 202,
    "response_model": None,
    "responses": {
        200: {
            "description": "Valid (only with `dry_run`): scores from 0 to 1 and in the instrument's units",
            "content": {
                "application/json": {
                    "schema": _ref("Valid"),
                    "example": {"id": _ID, "status": "valid", **_SCORED},
                }
            },
        },
        202: {
            "description": "Accepted: the rating is stored durably",
            "content": {
                "application/json": {
                    "schema": _ref("Accepted"),
                    "example": {"id": _ID, "status": "accepted", "status_url": f"/v1/ratings/{_ID}"},
                }
            },
        },
        400: _problem(400, "Not JSON", "Send one JSON object, in UTF-8.", RefusalReason.NOT_JSON),
        422: _problem(
            422,
            "Not a valid rating",
            "Correct the named fields and send the rating again.",
            RefusalReason.INVALID,
            errors=_ERRORS,
        ),
        503: retry_later(
            _problem(
                503,
                "Not stored",
                "The rating may not be stored. Send it again with the same id: it counts once.",
                RefusalReason.BROKER_SILENT,
            )
        ),
        **_CALLER_PROBLEMS,
    },
    "openapi_extra": CALLER
    | {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": _ref("Rating"),
                    "examples": {
                        "rated": {"summary": "A form with four marks", "value": RATING},
                        "scores": {
                            "summary": "Component scores instead of items",
                            "value": _SCORES,
                        },
                        "declined": {"summary": "The client gave no form", "value": _DECLINED},
                    },
                }
            },
        }
    },
}

_LINES = [
    {"line": 1, "id": _ID, "status": "accepted"},
    {"line": 2, "status": "refused", "reason": "invalid", "detail": "Correct the fields.", "errors": _ERRORS},
    {"line": 3, "id": "r-3", "status": "retry", "reason": "broker-silent", "retry_after": 2},
]

SEND_BATCH: dict[str, Any] = {
    "summary": "Send many ratings",
    "tags": ["ratings"],
    "response_model": None,
    "responses": {
        200: {
            "description": "One result per line, in the order sent; with `dry_run`, `valid` and the scores",
            "content": {
                "application/x-ndjson": {"schema": _ref("LineResult"), "example": _ndjson(_LINES)},
            },
        },
        400: published_problem("A network's key without `Rapport-Practice`"),
        422: published_problem("`dry_run` is neither true nor false"),
        503: retry_later(published_problem("The keys cannot be read: send again later")),
        **_CALLER_PROBLEMS,
    },
    "openapi_extra": CALLER
    | {
        "requestBody": {
            "required": True,
            "description": "One rating per line (`application/x-ndjson`), sent at once or as a stream.",
            "content": {
                "application/x-ndjson": {"schema": _ref("Rating"), "example": _ndjson([RATING, _DECLINED])}
            },
        }
    },
}

LIST_INSTRUMENTS: dict[str, Any] = {
    "summary": "List the instruments",
    "tags": ["instruments"],
    "responses": EDGE_RESPONSES,
}
