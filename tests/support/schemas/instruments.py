"""A small instrument of one's own: two items from 0 to 4."""

from pathlib import Path

from schemas.instruments.catalogue import Catalogue

SMALL = """
id = "small"
title = "Two questions"
source = "none"
licence = "none"
items = 2
lowest = 0
highest = 4
step = 1
between_steps = "refused"
components = {bond = [1], goal = [2]}
missing = {component = 0, total = 1}
"""

KNOWN = f"one of {', '.join(instrument.id for instrument in Catalogue.load())}"
"""What a refusal of an unknown instrument lists."""


def folder_with_small(parent: Path) -> Path:
    """Make a folder that defines the small instrument, as `RAPPORT_INSTRUMENTS_DIR` names one."""
    folder = parent / "instruments"
    folder.mkdir()
    (folder / "small.toml").write_text(SMALL)
    return folder
