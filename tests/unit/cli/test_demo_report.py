"""The demonstration says in one sentence what its table of alerts and ruptures shows."""

from services.cli.demo.detection_figures import DetectionComparison, DetectionFigures
from services.cli.demo.report import truth_sentence


def _figures(detected: int, alerts: int, false_alerts: int) -> DetectionFigures:
    return DetectionFigures(detected, 1.0, alerts, false_alerts, clients_alerted=1)


def _truth(rapport: DetectionFigures) -> DetectionComparison:
    return DetectionComparison(40, 200, 2000, rapport, _figures(38, 700, 560))


def test_the_sentence_states_how_many_alerts_were_right_and_what_the_vendor_rule_pays() -> None:
    assert truth_sentence(_truth(_figures(25, 52, 21))) == (
        "In short: about 6 of 10 of Rapport's alerts and about 2 of 10 of the vendor rule's are at a"
        " simulated rupture; the vendor rule alerts 700 times instead of 52 and meets 38 of 40 ruptures"
        " instead of 25; a rupture that leaves the marks as usual is found by neither."
    )


def test_without_an_alert_none_is_right() -> None:
    assert truth_sentence(_truth(_figures(0, 0, 0))).startswith(
        "In short: none of Rapport's alerts and about 2"
    )
