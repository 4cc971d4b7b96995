"""Which failures of a receiver are final, and which leave it alone for a while."""

from datetime import UTC, datetime

import pytest
from aiosmtplib import SMTPException
from aiosmtplib.errors import (
    SMTPConnectResponseError,
    SMTPDataError,
    SMTPHeloError,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPSenderRefused,
)

from services.notifier.channels.channel import DeliveryReason, NotWorthRetrying, WorthRetrying
from services.notifier.channels.email import result_of
from services.notifier.channels.webhook import FAILURES_TO_OPEN, OPEN_S, HostBreaker, asked_pause_s


def refused(code: int, text: str) -> SMTPRecipientsRefused:
    """Return the refusal of the one recipient."""
    return SMTPRecipientsRefused([SMTPRecipientRefused(code, text, "t1@north.example")])


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SMTPConnectResponseError(554, "no service for you"), DeliveryReason.SERVER_REFUSES),
        (SMTPConnectResponseError(421, "too many connections"), DeliveryReason.BUSY),
        (SMTPHeloError(550, "bad name"), DeliveryReason.SERVER_REFUSES),
        (SMTPSenderRefused(550, "5.1.8 bad sender", "r@rapport.example"), DeliveryReason.SERVER_REFUSES),
        (SMTPSenderRefused(451, "4.7.1 greylisted", "r@rapport.example"), DeliveryReason.BUSY),
        (refused(450, "4.2.0 greylisted"), DeliveryReason.BUSY),
        (refused(554, "5.7.1 relay access denied"), DeliveryReason.SERVER_REFUSES),
        (SMTPDataError(452, "4.3.1 full"), DeliveryReason.BUSY),
        (SMTPDataError(354, "go on"), DeliveryReason.SERVER_REFUSES),
        (refused(354, "go on"), DeliveryReason.SERVER_REFUSES),
        (SMTPException("SMTP STARTTLS extension not supported by server."), DeliveryReason.NOT_TRUSTED),
    ],
)
def test_what_is_not_about_this_mail_is_tried_again(error: SMTPException, reason: DeliveryReason) -> None:
    assert result_of(error) == WorthRetrying(reason)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (refused(550, "5.1.1 no such mailbox"), DeliveryReason.ADDRESS_REFUSED),
        (SMTPDataError(550, "never"), DeliveryReason.REFUSED),
    ],
)
def test_what_is_about_this_mail_is_final(error: SMTPException, reason: DeliveryReason) -> None:
    assert result_of(error) == NotWorthRetrying(reason)


NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("retry_after", "pause_s"),
    [
        (None, 0),
        ("", 0),
        ("120", 120),
        (" 5 ", 5),
        ("-5", 0),
        ("1.5", 0),
        ("9" * 400, 999_999_999),
        ("\u0661", 0),
        ("Wed, 18 Nov 2026 12:02:00 GMT", 120),
        ("Wed, 18 Nov 2026 11:00:00 GMT", 0),
        ("Wed, 18 Nov 2026 12:02:00 -0000", 120),
        ("Wed, 99 Nov 2026 12:02:00 GMT", 0),
        ("Wed, 18 Nov 99999999999999999999 12:02:00 GMT", 0),
        ("soon", 0),
    ],
)
def test_a_pause_is_asked_for_in_seconds_or_by_a_date(retry_after: str | None, pause_s: float) -> None:
    assert asked_pause_s(retry_after, NOW) == pause_s


class Seconds:
    """A clock that the test moves."""

    at = 0.0

    def __call__(self) -> float:
        return self.at


def test_a_host_that_never_answers_is_left_alone_and_then_tried_once() -> None:
    clock = Seconds()
    breaker = HostBreaker(clock)
    for _ in range(FAILURES_TO_OPEN):
        assert breaker.allows("hangs")
        breaker.note("hangs", answered=False)
    left_alone = (breaker.allows("hangs"), breaker.allows("other"))
    clock.at += OPEN_S
    tried = [breaker.allows("hangs"), breaker.allows("hangs")]
    breaker.note("hangs", answered=True)

    assert left_alone == (False, True)
    assert tried == [True, False]
    assert breaker.allows("hangs")
