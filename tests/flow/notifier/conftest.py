"""Fixtures of the notifier's flow."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.notifier_stage import Stage, notifier_stage


@pytest.fixture
async def stage(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """The notifier over a fresh database, with one therapist in the directory."""
    async with notifier_stage(database_url, tmp_path) as ready:
        await ready.add()
        yield ready
