"""The detector's own settings (`DETECTOR_…`), read once at its start."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class DetectorSettings(BaseSettings):
    """Which models are loaded, how large batches are, and when the sweep runs."""

    model_config = SettingsConfigDict(env_prefix="DETECTOR_", frozen=True, extra="ignore")

    model_dir: Path | None = None
    """The model that scores every practice that asks for none; left out: the shipped one."""
    other_model_dirs: tuple[Path, ...] = ()
    """Models that single practices are mapped to, as a JSON list."""
    max_records: Count = 2000
    """The most records in one batch: under load, larger is faster."""
    strands: Count = 2
    """So many transactions of a large batch at the same time, each over partitions of its own."""
    batch_timeout_ms: Count = 20
    """How long a batch waits for its first record; also what an idle detector adds to the latency."""
    group: str = "rapport-detector"
    """The consumer group; another one reads everything again."""
    sweep_every_s: Seconds = 3600
    """How often it is asked whether a new day has come; each day's sweep runs once per partition."""
    sweep_slice: Count = 500
    """Dyads in one transaction of the sweep."""
    results_connections: Count = 4
    """Connections to PostgreSQL for the read doors."""
