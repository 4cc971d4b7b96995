"""A small practice: its ratings in the documented form, and as its own program exports them."""

from pathlib import Path

import pytest

from schemas.instruments.catalogue import Catalogue
from tests.support.schemas.exports import Export, exports


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.load()


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return exports(tmp_path)
