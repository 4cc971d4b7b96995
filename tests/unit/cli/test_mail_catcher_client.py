"""The client of the mail catcher counts mails of the recipients that are asked for."""

import pytest

from services.cli.client.mail_catcher_client import MailCatcherClient

MAILS = [{"recipients": ["a@x.example"]}, {"recipients": ["b@x.example", "c@x.example"]}]


@pytest.mark.parametrize(
    ("recipients", "count"), [(None, 2), ([], 0), (["a@x.example"], 1), (["c@x.example", "d@x.example"], 1)]
)
def test_counts_mails_of_recipients(
    monkeypatch: pytest.MonkeyPatch, recipients: list[str] | None, count: int
) -> None:
    monkeypatch.setattr(MailCatcherClient, "list", lambda _: MAILS)

    assert MailCatcherClient("http://localhost").count(recipients) == count
