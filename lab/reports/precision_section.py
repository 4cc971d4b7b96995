"""Writes the section of the model card that says how often each kind of message is right."""

import re

from lab.reports.markdown_table import markdown_table
from services.detector.model.manifest import Manifest

CARD_FILE = "MODEL_CARD.md"
"""The name of a shipped model's card, in its folder."""
_TITLE = "\n## How often its messages are right\n"
_BEFORE = "\n## Whom it flags\n"
"""The section stands before this one."""
_TEXT = """
Messages at whose session a rupture was under way, of 100, in simulated practices of both families that no
model was made with, at the default threshold. A kind is how the marks came down, and how many of bond, goal
and task did. Kinds with fewer than 100 messages are left out, and so are marks that are low from the start:
simulated ruptures are falls, so these messages cannot be judged by them. Pages state these figures with each
message. The interval is over practices (90 %); a single practice can differ by much more.

"""
_COLUMNS = ("kind of message", "right, of 100", "90 % interval", "messages")


def precision_section(manifest: Manifest) -> str:
    """Return the section with its title; empty when nobody measured it."""
    if manifest.message_precision is None:
        return ""
    rows = [
        (
            kind,
            f"{100 * found.right:.0f}",
            f"{100 * found.low:.0f} to {100 * found.high:.0f}",
            f"{found.messages}",
        )
        for kind, found in manifest.message_precision.items()
    ]
    return f"{_TITLE}{_TEXT}{markdown_table(_COLUMNS, rows)}\n"


def with_precision_section(card: str, manifest: Manifest) -> str:
    """Return a card with the section of this manifest instead of the one it has, or none."""
    without = re.sub(f"{re.escape(_TITLE)}.*?(?={re.escape(_BEFORE)})", "", card, flags=re.DOTALL)
    return without.replace(_BEFORE, precision_section(manifest) + _BEFORE)
