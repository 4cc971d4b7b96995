"""Every number that does not add up is named; a balanced run has no mismatch."""

from collections import Counter
from typing import Any

import pytest

from services.cli.client.send_ratings import DeliveryReport
from services.cli.demo.balance import NetworkBalance
from services.cli.demo.reconcile import reconcile
from services.cli.demo.wait_settled import SettledState


def _report(**change: int) -> DeliveryReport:
    report = DeliveryReport(done=10, accepted=8, refused=Counter({"invalid": 2}))
    for name, value in change.items():
        setattr(report, name, value)
    return report


def _balance(**change: Counter[Any]) -> NetworkBalance:
    numbers: dict[str, Counter[Any]] = {
        "deliveries": Counter({"assessed": 5, "superseded": 1, "duplicate": 1, "rejected: id-reused": 1}),
        "episodes": Counter({"opened": 2, "told": 1, "kept back: historic": 1}),
        "messages": Counter({("email", "sent"): 1}),
    }
    return NetworkBalance(**(numbers | change))


def _settled(balance: NetworkBalance | None = None, unfinished: str | None = None) -> SettledState:
    decision = {"episode_id": "e", "revision": 1, "channel": "inbox", "outcome": "told"}
    return SettledState(balance or _balance(), [], [decision], unfinished)


def test_numbers_that_add_up_leave_no_mismatch() -> None:
    assert reconcile(_report(), NetworkBalance(), _settled(), 1).mismatches == []


@pytest.mark.parametrize(
    ("report", "settled", "mails", "mismatch"),
    [
        (
            _report(accepted=9, sent_again=1),
            _settled(_balance(deliveries=Counter({"assessed": 9}))),
            1,
            "10 were sent, but 9 accepted and 2 refused",
        ),
        (
            _report(),
            _settled(_balance(deliveries=Counter({"assessed": 7}))),
            1,
            "8 were accepted, but the detector counts 7 deliveries",
        ),
        (
            _report(),
            _settled(_balance(episodes=Counter({"opened": 2, "told": 1}))),
            1,
            "2 episodes opened, but 1 told and 0 kept back",
        ),
        (
            _report(),
            _settled(_balance(episodes=Counter({"opened": 2, "told": 2}))),
            1,
            "the detector counts 2 episodes told, the notifier 1 inbox items",
        ),
        (_report(), _settled(), 0, "the notifier counts 1 mails sent, the mail catcher received 0"),
        (_report(), _settled(unfinished="3 messages are not sent yet"), 1, "3 messages are not sent yet"),
    ],
)
def test_a_number_that_does_not_add_up_is_the_one_mismatch(
    report: DeliveryReport, settled: SettledState, mails: int, mismatch: str
) -> None:
    assert reconcile(report, NetworkBalance(), settled, mails).mismatches == [mismatch]


def test_a_line_that_was_sent_again_may_be_delivered_twice() -> None:
    balance = _balance(deliveries=Counter({"assessed": 6, "superseded": 1, "duplicate": 2}))

    assert reconcile(_report(sent_again=1), NetworkBalance(), _settled(balance), 1).mismatches == []


def test_a_second_run_counts_only_what_it_changed() -> None:
    before = _balance()
    after = _balance(deliveries=before.deliveries + Counter({"duplicate": 8}))
    settled = _settled(after)

    found = reconcile(_report(), before, settled, 0)

    assert found.mismatches == []
    assert {line.name: line.count for line in found.lines}["duplicate"] == 8
    assert {line.name: line.count for line in found.lines}["episodes opened"] == 0
