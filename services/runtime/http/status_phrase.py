"""Names HTTP statuses in the same words on every Python."""

from http import HTTPStatus

# Python 3.13 took over the words of RFC 9110.
_BEFORE_3_13 = {
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    416: "Requested Range Not Satisfiable",
    422: "Unprocessable Entity",
}


def status_phrase(status: int) -> str:
    """Return a status in words, such as `Accepted` for 202.

    Raises:
        ValueError: there is no such status.
    """
    return _BEFORE_3_13.get(status) or HTTPStatus(status).phrase
