"""Says which rows of the detector's tables are about one client."""

from services.runtime.process.cli_plugin import NAMES_CLIENT, RUNTIME_TABLES

_OF_CLIENT = "practice_id = %(practice)s AND client_id = %(client)s"
_OF_DYADS = f"dyad_id IN (SELECT dyad_id FROM detector.dyad WHERE {_OF_CLIENT})"
_OF_EPISODES = f"""practice_id = %(practice)s AND episode_id IN (
    SELECT episode_id FROM detector.episode WHERE {_OF_CLIENT})"""
_OF_RATINGS = (
    f"(practice_id, rating_id) IN (SELECT practice_id, rating_id FROM detector.rating WHERE {_OF_CLIENT})"
)

CLIENT_ROWS = {
    "dyad": _OF_CLIENT,
    "rating": _OF_CLIENT,
    "duplicate": _OF_RATINGS,
    "assessment": f"practice_id = %(practice)s AND {_OF_DYADS}",
    "episode": _OF_CLIENT,
    "episode_change": _OF_EPISODES,
    "response": _OF_DYADS,
    "blocked": _OF_CLIENT,
    "published_before": _OF_DYADS,
    "audit": _OF_DYADS,
    "client_name": _OF_CLIENT,
    "rejection": NAMES_CLIENT,
    "outbox": NAMES_CLIENT,
}
"""The condition by which each table's rows about one client are found."""
OTHER_TABLES = RUNTIME_TABLES | {
    "practice",
    "threshold",
    "practice_statistics",
    "model_activation",
    "renewal",
    "sweep",
    "generation",
    "log_cluster",
}
"""The tables that hold nothing on a client."""
