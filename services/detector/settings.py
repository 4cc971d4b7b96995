"""The detector's own settings (`DETECTOR_…`), read once at start."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.topics import GROUPS
from services.runtime.process.settings import AUDIT_DAYS, REJECTION_DAYS, AuditDays, RejectionDays

Count = Annotated[int, Field(ge=1)]
LONGEST_SWEEP_PAUSE_S = 60.0
"""Well below the time after which a loop counts as stuck, and what waits is not kept waiting."""


class DetectorSettings(BaseSettings):
    """Models to load, sizes of batches, and times of the sweep."""

    model_config = SettingsConfigDict(
        env_prefix="DETECTOR_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    model_dir: Path | None = None
    """Folder of the model that scores practices without a model of their own; default: the shipped model."""
    other_model_dirs: tuple[Path, ...] = ()
    """Folders of the models that single practices use, as a JSON list."""
    max_records: Count = 4000
    """Greatest number of records in a batch. Larger batches are faster under load."""
    history_records: Count = 16
    """Greatest number of ratings marked as history that are read of each partition before others go first."""
    strands: Count = 2
    """Number of concurrent transactions into which a large batch is split by partition."""
    batch_timeout_ms: Count = 20
    """How long a batch waits for its first record; an idle detector adds as much to the latency."""
    group: str = GROUPS["detector"]
    """The consumer group. A new group reads the topics from the beginning."""
    sweep_every_s: Annotated[float, Field(gt=0, le=LONGEST_SWEEP_PAUSE_S)] = LONGEST_SWEEP_PAUSE_S
    """How often the detector looks for a new day and takes up blocked ratings; at most 60 s apart."""
    sweep_slice: Count = 500
    """Greatest number of dyads in one transaction of the sweep."""
    results_connections: Count = 4
    """The most connections to PostgreSQL for the results API; two for each of its cores are a good start."""
    audit_days: AuditDays = AUDIT_DAYS
    """Days for which `detector.audit` keeps who read, exported or changed what."""
    rejection_days: RejectionDays = REJECTION_DAYS
    """Days for which `detector.rejection` keeps what was rejected; the balance counts it for good."""
