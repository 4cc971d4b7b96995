"""An ingest process for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.embedded_kafka import embedded_kafka
from tests.support.ingest.process import IngestProcess, ingest_process


@pytest.fixture(scope="module")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IngestProcess]:
    """Ingest with everything logged that it can log, fast enough for a fuzzer."""
    folder: Path = tmp_path_factory.mktemp("ingest")
    with embedded_kafka() as bootstrap:
        kafka_env = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "KAFKA_EMBEDDED": "true"}
        with ingest_process(kafka_env, folder, INGEST_RATINGS_PER_SECOND="1000") as running:
            yield running
