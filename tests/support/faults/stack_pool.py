"""Starts one system for many rows, and a new one after a row that failed or left it unusable."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.kafka.run import KafkaNode
from tests.support.backend import real_node
from tests.support.faults.fleet import Fleet, running_fleet
from tests.support.faults.postgres_server import PostgresNode, postgres_node
from tests.support.faults.small_disk import mounting_missing, small_disk

TABLESPACE = "small"
DISK_MB = 1024


class FleetPool:
    """One Kafka node, one PostgreSQL server, and at most one system on them."""

    def __init__(
        self, kafka: KafkaNode, postgres: PostgresNode, detectors: Sequence[str], disk: Path | None
    ) -> None:
        self.kafka = kafka
        self.postgres = postgres
        self.disk = disk
        """The file system that holds the services' tables; None: that of the server's other data."""
        self._detectors = detectors
        self._running = ExitStack()
        self._fleet: Fleet | None = None

    def fleet(self) -> Fleet:
        """Return the running system; start one if there is none."""
        if self._fleet is None:
            folder = self._running.enter_context(tempfile.TemporaryDirectory(prefix="rapport-fleet-"))
            tablespace = None if self.disk is None else TABLESPACE
            self._fleet = self._running.enter_context(
                running_fleet(
                    self.kafka, self.postgres, Path(folder), detectors=self._detectors, tablespace=tablespace
                )
            )
        return self._fleet

    def discard(self) -> None:
        """End the system, so that the next row gets a new one."""
        fleet, self._fleet = self._fleet, None
        if fleet is not None:
            fleet.stop()
            fleet.link.is_cut, fleet.link.delay_s = False, 0.0
        if not self.kafka.is_running():
            self.kafka.start()
        if not self.postgres.is_running():
            self.postgres.start()
        self._running.close()


@contextmanager
def fleet_pool(detectors: Sequence[str]) -> Iterator[FleetPool]:
    """Run Kafka and PostgreSQL for the duration of the block; everything started on them is ended with it."""
    with ExitStack() as stack:
        kafka = stack.enter_context(real_node())
        disk = None if mounting_missing() else stack.enter_context(small_disk(DISK_MB))
        postgres = stack.enter_context(postgres_node())
        if disk is not None:
            postgres.create_tablespace(TABLESPACE, disk / "tables")
        pool = FleetPool(kafka, postgres, detectors, disk)
        stack.callback(pool.discard)
        yield pool
