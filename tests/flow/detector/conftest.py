"""Fixtures of the detector's flow."""

from collections.abc import AsyncIterator

import pytest

from tests.support.detector_stage import Stage, stage


@pytest.fixture
async def detector(database_url: str) -> AsyncIterator[Stage]:
    """The detector's stages over a fresh database, with the toy detector and one practice that wants all."""
    async with stage(database_url) as ready:
        await ready.practice()
        yield ready
