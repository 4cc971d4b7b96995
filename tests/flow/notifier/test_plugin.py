"""What the notifier lends to the command line: options, why, doctor, and the directory by table."""

import asyncio
from pathlib import Path

import pytest
import typer
from psycopg import AsyncConnection
from typer.testing import CliRunner, Result

from services.notifier.cli.plugin import check, plugin, put_tenant
from services.notifier.cli.session_trace import trace
from services.notifier.cli.therapists import register
from services.runtime.process.cli_plugin import Tenant, Verdict
from tests.support.detector.episodes import NOW, changed, record_of
from tests.support.notifier.batch_driver import NotifierDriver


def tenant(**options: str) -> Tenant:
    return Tenant("north", NOW, options)


@pytest.mark.parametrize(
    "template",
    [
        "https://records.example/clients",
        "javascript:alert('{client_id}')",
        "https://{client_id}.example/",
        "records.example/{client_id}",
        "https://records.example/{client_id}/{therapist_id}",
    ],
)
async def test_a_link_template_that_could_lead_elsewhere_is_refused(
    notifier: NotifierDriver, template: str
) -> None:
    async with await AsyncConnection.connect(notifier.url) as conn:
        with pytest.raises(ValueError, match="client_url_template"):
            await put_tenant(conn, tenant(client_url_template=template))


async def test_options_are_stored_and_the_same_again_changes_nothing(notifier: NotifierDriver) -> None:
    async with await AsyncConnection.connect(notifier.url) as conn:
        for _ in range(2):
            await put_tenant(
                conn, tenant(client_url_template="https://r.example/{client_id}", messages="off")
            )
    stored = await notifier.rows("SELECT practice_id, told, client_url_template FROM notifier.practice")
    assert stored == [("north", False, "https://r.example/{client_id}")]


async def test_an_option_that_is_not_given_keeps_its_value(notifier: NotifierDriver) -> None:
    async with await AsyncConnection.connect(notifier.url) as conn:
        await put_tenant(conn, tenant(client_url_template="https://r.example/{client_id}"))
        await put_tenant(conn, tenant(messages="off"))
        await put_tenant(conn, tenant())
    stored = await notifier.rows("SELECT practice_id, told, client_url_template FROM notifier.practice")
    assert stored == [("north", False, "https://r.example/{client_id}")]


async def test_mail_options_are_stored_and_wrong_ones_are_refused(notifier: NotifierDriver) -> None:
    async with await AsyncConnection.connect(notifier.url) as conn:
        await put_tenant(
            conn,
            tenant(
                display_name="Praxis Nord",
                mail_timing="daily",
                mail_hour="11",
                mail_hours_before="48",
                quiet_hours="18-9",
            ),
        )
        await put_tenant(conn, tenant(messages="off"))
        for wrong in (
            {"mail_timing": "hourly"},
            {"display_name": "x" * 81},
            {"display_name": "a\nBcc: b"},
            {"mail_hour": "20"},
            {"mail_hour": "noon"},
            {"mail_hours_before": "2"},
            {"quiet_hours": "night"},
            {"quiet_hours": "7-20"},
        ):
            with pytest.raises(ValueError, match=next(iter(wrong))):
                await put_tenant(conn, tenant(**wrong))
    stored = await notifier.rows(
        "SELECT display_name, mail_timing, mail_hour, mail_hours_before, quiet_from, quiet_until"
        " FROM notifier.practice"
    )
    assert stored == [("Praxis Nord", "daily", 11, 48, 18, 9)]


async def test_why_answers_with_every_decision_and_how_far_the_message_came(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    async with await AsyncConnection.connect(notifier.url) as conn:
        lines = [(line.what, line.why) for line in await trace(conn, "north", "s-9")]
        foreign = await trace(conn, "south", "s-9")
    assert lines == [
        ("opened (revision 1), email: told", "to-review"),
        ("email message: due", "at-once"),
        ("email message: sent after 1 attempt", ""),
        ("opened (revision 1), inbox: told", "to-review"),
        ("opened (revision 1), webhook: suppressed", "not-chosen"),
    ]
    assert foreign == []


async def test_doctor_names_therapists_who_cannot_be_written_to(notifier: NotifierDriver) -> None:
    async with await AsyncConnection.connect(notifier.url) as conn:
        before = [one.verdict for one in await check(conn)]
    await notifier.handle(changed(therapist="t-unknown"))
    async with await AsyncConnection.connect(notifier.url) as conn:
        after = {one.name: one.verdict for one in await check(conn)}
    assert before == [Verdict.GOOD] * 5
    assert after["therapists without an address"] is Verdict.NOTICE


def imported(database_url: str, file: Path, practice: str, *options: str) -> Result:
    app = typer.Typer()
    register(app)

    @app.callback()
    def _root() -> None:
        """As the console has commands of its own."""

    words = ["therapists", "import", str(file), "--practice", practice, *options]
    return CliRunner().invoke(app, words, env={"DATABASE_URL": database_url})


def test_a_table_for_a_practice_nobody_knows_is_refused(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "therapists.csv"
    file.write_text("therapist_id,address\nt-1,t1@north.example\n")
    result = imported(database_url, file, "nowhere")
    assert result.exit_code == 1
    assert "rapport practices add nowhere" in result.stderr


async def _add_practice(url: str) -> None:
    async with await AsyncConnection.connect(url) as conn:
        await put_tenant(conn, tenant())


async def _count(url: str) -> int:
    async with await AsyncConnection.connect(url) as conn:
        row = await (await conn.execute("SELECT count(*) FROM notifier.therapist")).fetchone()
    assert row is not None
    return int(row[0])


def test_a_table_is_stored_and_stored_again_without_harm(database_url: str, tmp_path: Path) -> None:

    asyncio.run(_add_practice(database_url))
    file = tmp_path / "therapists.csv"
    file.write_text("therapist_id,address\nt-1,t1@north.example\nt-2,t2@north.example\n")
    first, second = imported(database_url, file, "north"), imported(database_url, file, "north")
    assert "Stored 2 therapists in the directory of north; 2 of them are new" in first.stdout
    assert "Stored 2 therapists in the directory of north; 0 of them are new" in second.stdout
    assert asyncio.run(_count(database_url)) == 2


def test_with_replace_only_those_in_the_table_stay(database_url: str, tmp_path: Path) -> None:
    asyncio.run(_add_practice(database_url))
    file = tmp_path / "therapists.csv"
    file.write_text("therapist_id,address\nt-1,t1@north.example\nt-2,t2@north.example\n")
    imported(database_url, file, "north")
    file.write_text("therapist_id,address\n")
    nobody = imported(database_url, file, "north", "--replace")
    assert (nobody.exit_code, asyncio.run(_count(database_url))) == (1, 2)
    file.write_text("therapist_id,address\nt-2,t2@north.example\nt-3,t3@north.example\n")
    result = imported(database_url, file, "north", "--replace")
    assert "Removed 1 therapists who are not in the file" in result.stdout
    assert asyncio.run(_count(database_url)) == 2


def test_a_table_with_one_wrong_line_stores_nothing_and_names_it(database_url: str, tmp_path: Path) -> None:

    asyncio.run(_add_practice(database_url))
    file = tmp_path / "therapists.csv"
    file.write_text("therapist_id,address\nt-1,t1@north.example\nt-2,nowhere\n")
    result = imported(database_url, file, "north")
    assert result.exit_code == 1
    assert "line 3: address is not a mail address" in result.stderr
    assert asyncio.run(_count(database_url)) == 0


def test_the_plugin_says_why_a_record_cannot_be_read_without_quoting_it() -> None:
    record = record_of(changed(), 0)
    assert plugin.why_unreadable is not None

    assert plugin.why_unreadable(record.topic, record.key, record.value) is None
    why = plugin.why_unreadable(record.topic, record.key, b"no event")
    assert why is not None
    assert why.startswith("undecodable: ")
    assert "no event" not in why
