"""The setting that adds a practice's or network's own instruments to the shipped ones."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.instruments.catalogue import Catalogue


class InstrumentSettings(BaseSettings):
    """Where instruments of one's own are defined (`RAPPORT_INSTRUMENTS_DIR`); all services read it."""

    model_config = SettingsConfigDict(
        env_prefix="RAPPORT_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    instruments_dir: Path | None = None
    """A folder with instruments of one's own, one TOML file each; none: only the shipped ones. Give it to
    ingest, detector and notifier alike, and keep a file as long as ratings by its instrument are stored."""

    def catalogue(self) -> Catalogue:
        """Return the shipped instruments and those of the folder.

        Raises:
            InvalidDefinition: the folder or a file in it cannot be used; the message says what to correct.
        """
        return Catalogue.load(self.instruments_dir)
