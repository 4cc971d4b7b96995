"""Topics must have the numbers of partitions that co-partitioning needs."""

import pytest

from services.runtime.consumer.startup_checks import check_partitions
from services.runtime.process.errors import Halt


def test_topics_with_different_partitions_halt() -> None:
    with pytest.raises(Halt, match="a 4, b 24"):
        check_partitions({"a": 4, "b": 24, "c": 7}, ["a", "b"])


def test_an_embedded_broker_must_have_given_four_partitions() -> None:
    with pytest.raises(Halt, match="need 4 partitions"):
        check_partitions({"a": 24}, ["a"], expected=4)
