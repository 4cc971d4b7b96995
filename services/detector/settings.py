"""The detector's own settings (`DETECTOR_…`), read once at start."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class DetectorSettings(BaseSettings):
    """Models to load, sizes of batches, and times of the sweep."""

    model_config = SettingsConfigDict(env_prefix="DETECTOR_", frozen=True, extra="ignore")

    model_dir: Path | None = None
    """Folder of the model that scores practices without a model of their own; default: the shipped model."""
    other_model_dirs: tuple[Path, ...] = ()
    """Folders of the models that single practices use, as a JSON list."""
    max_records: Count = 2000
    """Greatest number of records in a batch. Larger batches are faster under load."""
    strands: Count = 2
    """Number of concurrent transactions into which a large batch is split by partition."""
    batch_timeout_ms: Count = 20
    """How long a batch waits for its first record; an idle detector adds as much to the latency."""
    group: str = "rapport-detector"
    """The consumer group. A new group reads the topics from the beginning."""
    sweep_every_s: Seconds = 3600
    """How often the detector checks for a new day; each day's sweep runs once per partition."""
    sweep_slice: Count = 500
    """Greatest number of dyads in one transaction of the sweep."""
    results_connections: Count = 4
    """Connections to PostgreSQL for the results API."""
