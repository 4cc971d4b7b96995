"""Reads the metrics of running services, as Prometheus does."""

from collections.abc import Iterable

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.faults.fleet import Fleet


def total(fleet: Fleet, names: Iterable[str], sample: str, **labels: str) -> float:
    """Return the sum of a sample's values over these processes and over the labels that are not given."""
    return sum(_total(fleet.processes[name].management_url, sample, labels) for name in names)


def _total(url: str, sample: str, labels: dict[str, str]) -> float:
    answer = httpx.get(f"{url}/metrics", trust_env=False, timeout=30)
    return sum(
        one.value
        for family in text_string_to_metric_families(answer.raise_for_status().text)
        for one in family.samples
        if one.name == sample and labels.items() <= one.labels.items()
    )
