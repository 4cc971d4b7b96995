"""Reads the images that tests run from docker-compose.yml, so that tests and users run the same versions."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
REVISION = "tested"
"""The revision in the tags of the images that tests build."""


@cache
def compose_file() -> dict[str, Any]:
    """The compose file as it stands."""
    read: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return read


def image_of(service: str) -> str:
    """The image of one of its services, with its tag; one of ours has the revision of the tests."""
    return str(compose_file()["services"][service]["image"]).replace("${REVISION:-local}", REVISION)
