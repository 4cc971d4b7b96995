"""Entries of the directory, by HTTP or as a table: taken whole, or every fault named."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from schemas.csv_table import TableReader
from services.notifier.channels.channel import Channel, MailTiming
from services.notifier.directory.csv_import import TherapistTableError, read_therapist_table
from services.notifier.directory.entry import TherapistEntry, entry_errors
from services.notifier.settings import WebhookSettings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="


SETTINGS = {Channel.WEBHOOK: WebhookSettings(allow_private_webhooks=False)}
PLAIN_HTTP_ALLOWED = {Channel.WEBHOOK: WebhookSettings(allow_private_webhooks=True)}


def webhook_entry(url: str, secret: str = SECRET) -> TherapistEntry:
    """An entry whose webhook goes to `url`."""
    return TherapistEntry.model_validate({"webhook": {"url": url, "secret": secret}})


def fields_at_fault(
    entry: TherapistEntry, settings: Mapping[Channel, WebhookSettings] = SETTINGS
) -> list[str]:
    """The names of the fields that are refused."""
    return [error.field for error in entry_errors(entry, settings)]


@pytest.mark.parametrize(
    "address",
    [
        "a@b",
        "a b@c.example",
        "A <a@b.example>",
        "a@b.example\r\nBcc: x@y.example",
        "=?utf-8?q?other=40evil.example?=@b.example",
        "a=?=@b.example",
        "a\x00@b.example",
        "a\u2066@b.example",
        "a@b\u061c.example",
        ".a@b.example",
        "a..b@b.example",
    ],
    ids=ascii,
)
def test_an_address_that_is_not_one_plain_address_is_refused(address: str) -> None:
    assert fields_at_fault(TherapistEntry(address=address)) == ["address"]


@pytest.mark.parametrize(
    "address", ["a@b.example", "first.last+tag=x@sub.b.example", "jürg@zürich.example", "o'neil_9@b.example"]
)
def test_a_plain_address_is_taken(address: str) -> None:
    assert fields_at_fault(TherapistEntry(address=address)) == []


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "plain", "whsec_!!!"])
def test_a_secret_that_is_too_short_or_no_base64_is_refused(secret: str) -> None:
    entry = webhook_entry("https://hooks.example/x", secret)
    assert fields_at_fault(entry) == ["webhook.secret"]


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/x",
        "ftp://a.example",
        "https://",
        "https://u:p@a.example/x",
        "https://a.example/\u2066",
    ],
)
def test_only_https_without_credentials_is_sent_to(url: str) -> None:
    assert fields_at_fault(webhook_entry(url)) == ["webhook.url"]


def test_plain_http_can_be_allowed() -> None:
    entry = webhook_entry("http://127.0.0.1:9/x")
    assert fields_at_fault(entry, PLAIN_HTTP_ALLOWED) == []


def test_a_chosen_webhook_needs_its_address() -> None:
    assert fields_at_fault(TherapistEntry(channels=(Channel.WEBHOOK,))) == ["webhook"]


def roster(*lines: str) -> TableReader:
    return TableReader(Path("therapists.csv"), [f"{line}\n" for line in lines])


def test_a_table_is_read_whole() -> None:
    found = read_therapist_table(
        "north",
        roster(
            "therapist_id,address,locale,time_zone,channels,quiet,mail_timing",
            "t-1,t1@north.example,de-AT,Europe/Vienna,email,,immediate",
            "t-2,,,,,yes,",
        ),
        SETTINGS,
    )
    assert [(one.therapist_id, one.address, one.time_zone, one.quiet) for one in found] == [
        ("t-1", "t1@north.example", "Europe/Vienna", False),
        ("t-2", None, "UTC", True),
    ]
    assert found[0].channels == (Channel.INBOX, Channel.EMAIL)
    assert [one.mail_timing for one in found] == [MailTiming.IMMEDIATE, None]


def test_every_fault_of_a_table_is_named_with_its_line() -> None:
    with pytest.raises(TherapistTableError) as bad:
        read_therapist_table(
            "north",
            roster(
                "therapist_id,address,time_zone,channels,quiet,mail_timing",
                "t-1,nowhere,,,,",
                "t@x.example,,Mars/Base,,,",
                "t-3,,,pigeon,,",
                "t-4,,,,perhaps,",
                "t-5,,,,,,,",
                "t-6,,,,,",
                "t-6,,,,,",
                "t-7,,,,,hourly",
            ),
            SETTINGS,
        )
    assert [(row.line, row.field) for row in bad.value.rows] == [
        (2, "address"),
        (3, "therapist_id"),
        (3, "time_zone"),
        (4, "channels.0"),
        (5, "quiet"),
        (6, ""),
        (8, "therapist_id"),
        (9, "mail_timing"),
    ]


def test_a_table_without_its_key_column_or_with_a_strange_one_is_refused() -> None:
    with pytest.raises(TherapistTableError) as bad:
        read_therapist_table("north", roster("name,address", "x,"), SETTINGS)
    assert [row.field for row in bad.value.rows] == ["therapist_id", "name"]
