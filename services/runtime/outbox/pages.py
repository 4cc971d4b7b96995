"""Selects the rows of a page of an append-only table, and never skips a row.

A row's position is (xid, seq): the transaction that wrote it, and its number. Numbers alone do not suffice:
they are drawn in one order and become visible in another, so a reader who saw 7 could miss a 6 that commits
later. A row is shown only when every transaction that could still write an earlier position has ended.

Only those of the services could: whatever writes such a table has passed the gate of erasures before it
wrote anything, and ends within its deadline. (One of version 0.2 or older knows no gate; it writes the tables
of its own schema only.) Any other transaction of the server, in this database or another, may stay open for
days, and no page waits for it.
After a logical restore into a new cluster a stored `xid` may be ahead of the cluster's: set it
to '0'.
"""

from services.runtime.http.paging import Cursor
from services.runtime.outbox.erasures import HOLDS_GATE
from services.runtime.postgres.connect import Connection

# A transaction gets its id after it has passed the gate or locked the table that it writes, and loses these
# locks after it has ended for others. So one that holds the lock of its id without any of them, and is open
# in a snapshot taken later, never had one.
_OTHERS = f"""
SELECT unnest(array_agg(transactionid::text)
    FILTER (WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock'))
FROM pg_locks GROUP BY virtualtransaction HAVING NOT bool_or({HOLDS_GATE}
    OR locktype = 'relation' AND mode <> 'AccessShareLock'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND relation IN (SELECT oid FROM pg_class WHERE relnamespace = %s::regnamespace))
"""
_OLDEST_WRITER = """
coalesce((SELECT open.id FROM pg_snapshot_xip(pg_current_snapshot()) AS open (id)
    WHERE open.id::xid::text <> ALL(%(others)s::text[]) ORDER BY open.id LIMIT 1),
    pg_snapshot_xmax(pg_current_snapshot()))
"""


def after(table: str) -> str:
    """Return the condition for the rows of a page; use `page_parameters`, and order by `order`.

    `table` is the name or alias by which the query knows the table.
    """
    return f"({table}.xid, {table}.seq) > (%(xid)s::text::xid8, %(seq)s) AND {table}.xid < {_OLDEST_WRITER}"


def order(table: str) -> str:
    """Return the order of the rows of a page, of a table with this name or alias.

    Without the table, `xid` would be the column of the result, which a query casts to text: '1000' before
    '999'.
    """
    return f"{table}.xid, {table}.seq"


async def page_parameters(conn: Connection, cursor: Cursor, schema: str) -> dict[str, object]:
    """Return the parameters of `after` for a query of this schema that follows in the open transaction.

    The transaction must be READ COMMITTED, so that the query sees what was committed until it began.
    """
    rows = await conn.execute(_OTHERS.encode(), (schema,))
    others = [row[0] for row in await rows.fetchall()]
    return {"xid": str(cursor.xid), "seq": cursor.seq, "others": others}
