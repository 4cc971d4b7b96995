"""Says which rows of the notifier's tables are about one client."""

from services.runtime.process.cli_plugin import NAMES_CLIENT, RUNTIME_TABLES

_OF_CLIENT = "practice_id = %(practice)s AND client_id = %(client)s"
_NAMES_EPISODE = f"episode_id IN (SELECT episode_id FROM notifier.change WHERE {_OF_CLIENT})"
_OF_EPISODES = f"practice_id = %(practice)s AND {_NAMES_EPISODE}"

CLIENT_ROWS = {
    "episode": _OF_EPISODES,
    "change": _OF_CLIENT,
    "item": _OF_CLIENT,
    "answer": _OF_EPISODES,
    "answered_before": _NAMES_EPISODE,
    "decision": _OF_EPISODES,
    "delivery": _OF_EPISODES,
    "sign_in_link": _OF_EPISODES,
    "link_request": _NAMES_EPISODE,
    "share": _OF_EPISODES,
    "audit": _OF_EPISODES,
    "assessed_session": _OF_CLIENT,
    "measure": _OF_CLIENT,
    "next_session": _OF_CLIENT,
    "client_number": _OF_CLIENT,
    "client_name": _OF_CLIENT,
    "rejection": NAMES_CLIENT,
    "outbox": NAMES_CLIENT,
}
"""The condition by which each table's rows about one client are found."""
OTHER_TABLES = RUNTIME_TABLES | {
    "practice",
    "therapist",
    "own_settings",
    "session",
    "client_counter",
    "feed_day",
    "feed_silence",
}
"""The tables that hold nothing on a client."""
