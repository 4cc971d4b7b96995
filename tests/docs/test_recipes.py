"""Performs the recipes of CONTRIBUTING.md, step by step, on a copy of the tree."""

import re
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import fresh_database
from tests.support.tree_copy import Copy, copy_tree


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """A copy of the tree as it is now."""
    return copy_tree(tmp_path)


def test_a_metric_is_added_with_its_definition_and_its_line_in_the_reference(copy: Copy) -> None:
    copy.replace(
        "services/ingest/metrics.py",
        "        self.heartbeats = Counter(",
        '        Counter("rapport_ingest_example", "An example.", registry=registry)\n'
        "        self.heartbeats = Counter(",
    )
    copy.test("tests/docs/test_docs.py", "-k", "reference_is", fails=True)
    before = copy.read("docs/reference.md")
    copy.make_reference()
    added = set(copy.read("docs/reference.md").splitlines()) - set(before.splitlines())

    assert added == {"| `rapport_ingest_example` | An example. |"}


# In one process: most of the time goes into importing the services.
EXPORT_CHECK_AND_TEST = """
import sys
import pytest
from services.cli.__main__ import application

rapport = application()
rapport(["schemas", "export"], standalone_mode=False)
rapport(["schemas", "check"], standalone_mode=False)
IMPORTED = "ignore::pytest.PytestAssertRewriteWarning"
tests = ["tests/unit/schemas/test_events.py", "tests/unit/detector/test_contracts.py"]
sys.exit(pytest.main(["-q", "-n", "0", "-p", "no:cacheprovider", "-W", IMPORTED, *tests]))
"""


def test_a_field_is_added_to_an_event_with_its_twin_and_a_golden_event(copy: Copy) -> None:
    pairs = copy.read("tests/unit/detector/test_contracts.py")
    twin = re.search(r"\(events\.TherapistResponded, (?:\w+\.)?(\w+)\)", pairs)
    assert twin is not None
    add_field(copy, "schemas/events.py", "TherapistResponded", "reply_s: int | None = None")
    add_field(copy, "services/detector/received.py", twin[1], "reply_s: int | None = None")
    golden = next((copy.root / "schemas" / "golden" / "therapist-responded.v1").glob("*.json"))
    with_field = re.sub(r'(,"responded_at":"[^"]*")', r'\1,"reply_s":30', golden.read_text(encoding="utf-8"))
    copy.write("schemas/golden/therapist-responded.v1/with-reply-time.json", with_field)

    copy.run("-c", EXPORT_CHECK_AND_TEST)


def add_field(copy: Copy, path: str, owner: str, line: str) -> None:
    """Add a line at the end of a class."""
    text = copy.read(path)
    found = re.search(rf"^class {owner}\(.*?(?=\n\n\n)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{path} has no class {owner}"
    (copy.root / path).write_text(f"{text[: found.end()]}\n    {line}{text[found.end() :]}", encoding="utf-8")


def test_a_table_is_changed_by_one_revision(copy: Copy, postgres_url: str) -> None:
    with fresh_database(postgres_url) as database:
        copy.rapport("migrate", environment={"DATABASE_URL": database})
        copy.add_revision("detector", "ALTER TABLE detector.practice ADD COLUMN example_at timestamptz")
        copy.rapport("migrate", environment={"DATABASE_URL": database})
        with psycopg.connect(database) as connection:
            column = connection.execute(
                "SELECT data_type FROM information_schema.columns"
                " WHERE table_schema = 'detector' AND table_name = 'practice' AND column_name = 'example_at'"
            ).fetchone()

    assert column == ("timestamp with time zone",)


def test_a_sensitivity_is_changed_without_another_key(copy: Copy, postgres_url: str, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    with fresh_database(postgres_url) as database:
        where = {"DATABASE_URL": database, "RAPPORT_CREDENTIALS_FILE": str(keys)}
        copy.rapport("migrate", environment=where)
        copy.rapport("practices", "add", "north", environment=where)
        before = keys.read_bytes()
        copy.rapport("practices", "set", "north", "--set", "sensitivity=low", environment=where)
        low = false_alarms(database)
        copy.replace(
            "services/detector/domain/practice_defaults.py",
            "SENSITIVITIES = {",
            'SENSITIVITIES = {"lowest": 1.0, ',
        )
        copy.rapport("practices", "set", "north", "--set", "sensitivity=lowest", environment=where)
        lowest = false_alarms(database)

    assert (low, lowest) == (0.02, 0.01)
    assert keys.read_bytes() == before


def false_alarms(database: str) -> float:
    """Return the share of false alarms that the practice `north` accepts."""
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "SELECT false_alarms FROM detector.practice WHERE practice_id = 'north'"
        ).fetchone()
    assert row is not None
    return float(row[0])


SMS_SETTINGS = '''

class SmsSettings(_NotifierSettings):
    """How text messages are sent."""

    sms_outbox_dir: Path = Path("sms")
    """The folder from which a gateway takes text messages."""
'''
SMS_CHANNEL = '''"""Text messages: a link in a file that a gateway sends."""

from services.notifier.channels.channel import (
    ChannelDefinition,
    Contact,
    DeliveryReason,
    Message,
    NotWorthRetrying,
    SendResult,
    Sent,
)
from services.notifier.settings import SmsSettings
from services.notifier.wording import Wordings


class SmsContact(Contact):
    """Where text messages go."""

    number: str


class Sms:
    """Sends text messages."""

    def __init__(self, settings: SmsSettings, _wordings: Wordings) -> None:
        self._folder = settings.sms_outbox_dir

    async def send(self, message: Message) -> SendResult:
        """Leave one message for the gateway."""
        contact = message.recipient.contact
        if not isinstance(contact, SmsContact):
            return NotWorthRetrying(DeliveryReason.NO_ADDRESS)
        (self._folder / contact.number).write_text(message.link)
        return Sent()


CHANNEL = ChannelDefinition(settings=SmsSettings, build=Sms, contact=SmsContact)
'''
SMS_TEST = """
import os
from pathlib import Path

from tests.support.detector.episodes import changed


async def test_an_opened_episode_is_sent_as_a_text_message(notifier):
    entry = {"channels": ["sms"], "sms": {"number": "0041"}}
    async with notifier.api_client() as client:
        answer = await client.put("/v1/therapists/t-1", json=entry)
        assert answer.status_code in {200, 201, 204}, answer.text
    await notifier.handle(changed())
    await notifier.run_due_jobs()

    assert ("sms", "sent", None) in await notifier.delivery_states()
    assert (Path(os.environ["NOTIFIER_SMS_OUTBOX_DIR"]) / "0041").read_text().startswith("http://rapport.example")
"""


def test_a_channel_is_added_with_its_module_its_settings_and_a_line_in_the_list(
    copy: Copy, tmp_path: Path
) -> None:
    settings = copy.read("services/notifier/settings.py")
    (copy.root / "services" / "notifier" / "settings.py").write_text(settings + SMS_SETTINGS)
    copy.write("services/notifier/channels/sms.py", SMS_CHANNEL)
    copy.replace(
        "services/notifier/channels/channel.py",
        '    WEBHOOK = "webhook"\n',
        '    WEBHOOK = "webhook"\n    SMS = "sms"\n',
    )
    copy.add_revision("notifier", "ALTER TABLE notifier.therapist ADD COLUMN sms_number text")
    copy.write("tests/flow/notifier/test_sms.py", SMS_TEST)
    copy.make_reference()

    assert "| `NOTIFIER_SMS_OUTBOX_DIR` |" in copy.read("docs/reference.md")
    copy.test("tests/flow/notifier/test_sms.py", environment={"NOTIFIER_SMS_OUTBOX_DIR": str(tmp_path)})


def test_an_instrument_is_added_by_one_file(copy: Copy) -> None:
    srs = copy.read("schemas/instruments/srs.toml")
    own = srs.replace('id = "srs"', 'id = "house"').replace("questionnaire:srs", "questionnaire:house")
    own = own.replace("highest = 10", "highest = 5").replace("36", "18")
    copy.write("schemas/instruments/house.toml", own)

    copy.test(
        "tests/unit/schemas/test_instruments.py",
        "tests/unit/schemas/test_scoring.py",
        "tests/unit/lab/test_simulator.py",
    )
