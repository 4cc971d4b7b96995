"""A therapist, or a whole practice, is erased with everything about their clients."""

from services.cli.admin.erase import erase
from services.runtime.process.cli_plugin import ErasureScope
from tests.flow.erasure.conftest import SeededPractice
from tests.support.erasure import SCHEMAS, SECRET, database, deliveries, tables_with
from tests.support.invariants import broken

OF_PRACTICES = """
SELECT table_schema || '.' || table_name FROM information_schema.columns
WHERE table_schema = ANY(%s) AND column_name = 'practice_id' ORDER BY 1
"""
CLIENTS_OF = "SELECT client_id FROM detector.dyad WHERE therapist_id = %s"
OF_OTHER_THERAPIST = {"detector.blocked", "detector.client_name", "detector.dyad"}
"""Where a rating of the same client by another therapist waits, which a session of the first one holds up;
and the references that the client had."""


async def test_a_therapist_is_erased_with_what_is_stored_about_their_clients(
    practice: SeededPractice,
) -> None:
    conn = practice.detector.conn
    of_other, before = await tables_with(conn, practice.kept.ids), await deliveries(conn)
    scope = ErasureScope("north", therapist="t-1")
    await erase(database(practice.url), SECRET, scope, requested_by="a test")
    assert await tables_with(conn, practice.gone.ids) == OF_OTHER_THERAPIST
    assert await tables_with(conn, practice.kept.ids) == of_other
    assert await practice.notifier.rows("SELECT therapist_id FROM notifier.therapist") == [("t-2",)]
    after = await deliveries(conn)
    assert after["erased"] == 8
    assert sum(after.values()) == sum(before.values())
    # The rating of the other therapist takes effect now: nothing holds it up any more.
    await practice.detector.feed(practice.gone.records)
    assert await practice.detector.rows(CLIENTS_OF, ("t-1",)) == []
    assert await practice.detector.rows(CLIENTS_OF, ("t-1-other",)) == [("client-gone",)]
    assert sum((await deliveries(conn)).values()) == sum(before.values())
    assert await broken(conn) == {}


async def test_of_a_practice_only_the_places_of_its_deliveries_are_left(practice: SeededPractice) -> None:
    conn = practice.detector.conn
    scope = ErasureScope("north")
    before = await deliveries(conn)
    await erase(database(practice.url), SECRET, scope, requested_by="a test")
    for _ in range(2):
        assert await tables_with(conn, practice.gone.ids | practice.kept.ids) == set()
        left = []
        for (table,) in await practice.detector.rows(OF_PRACTICES, (list(SCHEMAS),)):
            left += await practice.detector.rows(f"SELECT '{table}' FROM {table} WHERE practice_id = 'north'")
        assert left == []
        after = await deliveries(conn)
        assert {one: count for one, count in after.items() if count} == {"erased": sum(before.values())}
        for client in (practice.gone, practice.kept):
            await practice.detector.feed(client.records)
            await practice.notifier.handle_records(client.published)
