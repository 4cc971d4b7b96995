"""Reads everything that is held on one client from every table, as values for JSON."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import msgspec
from psycopg.rows import dict_row

from services.cli import plugins
from services.runtime.postgres.connect import connect_for_all_practices
from services.runtime.postgres.former_names import client_names
from services.runtime.process.settings import DatabaseSettings

_NOT_ABOUT_CLIENTS = frozenset({"address"})
"""Columns that hold something about a therapist instead: where a sign-in link was mailed."""
_TEXTS = frozenset({"key", "record_key"})


async def export_client(
    database: DatabaseSettings, practice: str, client: str
) -> dict[str, list[dict[str, object]]]:
    """Return the rows about one client, by table, as they are at one moment; any of their references will do.

    Bytes are shown as the JSON or MessagePack that they hold, or else in base64.
    """
    found: dict[str, list[dict[str, object]]] = {}
    async with await connect_for_all_practices(database, "rapport-export") as conn:
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for plugin in plugins.installed():
            if not plugin.has_tables:
                continue
            for name in sorted(await client_names(conn, plugin.name, practice, client)):
                values = {"practice": practice, "client": name}
                for table, condition in plugin.client_rows.items():
                    async with conn.cursor(row_factory=dict_row) as cursor:
                        await cursor.execute(f"SELECT * FROM {plugin.name}.{table} WHERE {condition}", values)
                        rows = await cursor.fetchall()
                    found.setdefault(f"{plugin.name}.{table}", []).extend(map(_plain_row, rows))
    return found


def _plain_row(row: Mapping[str, Any]) -> dict[str, object]:
    return {name: _plain(name, value) for name, value in row.items() if name not in _NOT_ABOUT_CLIENTS}


def _plain(name: str, value: object) -> object:
    if not isinstance(value, bytes | memoryview):
        return msgspec.to_builtins(value, builtin_types=())
    stored = bytes(value)
    if name in _TEXTS:
        return stored.decode(errors="replace")
    for decode in (json.loads, msgspec.msgpack.decode):
        try:
            # Times and the like, which JSON has no form of, become texts.
            return msgspec.to_builtins(decode(stored), str_keys=True)
        except (ValueError, RecursionError, msgspec.MsgspecError):
            continue
    return base64.b64encode(stored).decode()
