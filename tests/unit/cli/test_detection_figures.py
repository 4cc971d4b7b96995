"""Ruptures and alerts are counted against the truth, by the same rule for everyone."""

from typing import Any

from services.cli.demo.detection_figures import ClientSession, compare_with_truth


def _truth(*ruptures: tuple[str, str], vendor: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "dyads": [
            {
                "practice": "north",
                "client_id": "c",
                "sessions": ["s1", "s2", "s3", "s4", "s5"],
                "ruptures": [{"first_session": first, "last_session": last} for first, last in ruptures],
                "vendor_flags": list(vendor),
            }
        ]
    }


def _told(*sessions: str) -> list[ClientSession]:
    return [ClientSession("north", "c", session) for session in sessions]


def test_a_rupture_told_at_its_second_session_waited_one() -> None:
    found = compare_with_truth(_truth(("s2", "s4")), _told("s3")).rapport

    assert (found.detected, found.median_sessions_to_alert, found.false_alerts) == (1, 1, 0)


def test_an_alert_after_the_rupture_is_one_without_a_rupture() -> None:
    found = compare_with_truth(_truth(("s2", "s3")), _told("s4")).rapport

    assert (found.detected, found.median_sessions_to_alert, found.false_alerts) == (0, None, 1)


def test_two_alerts_in_one_rupture_tell_it_once_at_the_first() -> None:
    found = compare_with_truth(_truth(("s1", "s5")), _told("s4", "s2")).rapport

    assert (found.detected, found.median_sessions_to_alert, found.alerts) == (1, 1, 2)


def test_the_vendor_rule_is_counted_on_its_own_flags() -> None:
    found = compare_with_truth(_truth(("s2", "s3"), vendor=("s1", "s2", "s5")), _told()).vendor

    assert (
        found.detected,
        found.median_sessions_to_alert,
        found.false_alerts,
        found.alerts,
    ) == (1, 0, 2, 3)


def test_another_practices_client_of_the_same_name_tells_nothing() -> None:
    found = compare_with_truth(_truth(("s2", "s4")), [ClientSession("south", "c", "s3")]).rapport

    assert found.detected == 0
