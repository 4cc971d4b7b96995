"""Writes the ratings of a small practice in the documented form, and as its own program exports them."""

from dataclasses import dataclass
from pathlib import Path

COLUMNS = "Patient;Behandler;Sitzung Nr.;Sitzungsdatum;SRS1;SRS2;SRS3;SRS4;Bemerkung"


@dataclass(frozen=True, slots=True)
class Export:
    """The same ratings in two files."""

    own: Path
    """Semicolons, decimal commas, days first, Windows' encoding, a remark of two lines in each row."""
    canonical: Path


def exports(folder: Path, clients: int = 3, sessions: int = 9) -> Export:
    """Write both files."""
    own, canonical = [COLUMNS], [
        "client_id,therapist_id,session_id,session_at,instrument,item_1,item_2,item_3,item_4"
    ]  # fmt: skip
    for client in range(1, clients + 1):
        for session in range(1, sessions + 1):
            marks = [round(7 + (client * session + item) % 31 / 10, 1) for item in range(4)]
            shown = ["" if mark == 7.2 else str(mark) for mark in marks]
            day = f"{session + 12}.{client:02}.2025 10:30"
            cells = ";".join(mark.replace(".", ",") for mark in shown)
            own.append(f'K{client};T{client % 2};{session};{day};{cells};"müde\nund mehr"')
            at = f"2025-{client:02}-{session + 12}T10:30:00+00:00"
            canonical.append(f"K{client},T{client % 2},{session},{at},srs,{','.join(shown)}")
    export = Export(folder / "own.csv", folder / "canonical.csv")
    export.own.write_text("\n".join(own) + "\n", encoding="cp1252")
    export.canonical.write_text("\n".join(canonical) + "\n", encoding="utf-8")
    return export
