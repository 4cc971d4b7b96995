"""Adds the options of the fault tests to pytest: their size, and whether their results are kept."""

import pytest

from tests.support.faults import rows


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("fault tests")
    group.addoption("--full", dest="full_faults", action="store_true", help="run fault rows at full size")
    group.addoption(
        "--keep-faults", action="store_true", help="keep the results in docs/faults.json; --full does, too"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Keep results when asked to."""
    rows.KEEP[:] = [config.getoption("full_faults") or config.getoption("keep_faults")]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give rows at full size the time that they need."""
    if config.getoption("full_faults"):
        for item in items:
            if item.get_closest_marker("xdist_group") is not None:
                item.add_marker(pytest.mark.timeout(rows.FULL_S), append=False)
