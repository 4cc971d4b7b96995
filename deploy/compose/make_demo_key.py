"""Adds the demonstration's practices to a running stack, and creates one network key for them.

The practices are those of `rapport simulate`. Their therapists are told about sessions of any age, because
the demonstration sends twelve weeks of ratings in seconds. The key is shown only once, so it is
stored in a file that only the demonstration can read.
"""

import csv
import io
import subprocess
import sys
import tempfile
from pathlib import Path

PRACTICES = ("practice-1", "practice-2", "practice-3")
OPTIONS = {"tell_from": "always", "max_age_days": "none"}
NETWORK = "demo"


def main() -> int:
    """Write the key to the file named on the command line, unless the file exists."""
    file = Path(sys.argv[1])
    if file.exists():
        sys.stdout.write("The demonstration's key exists already.\n")
        return 0
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as table:
        rows = csv.DictWriter(table, ["practice_id", *OPTIONS])
        rows.writeheader()
        rows.writerows({"practice_id": practice, **OPTIONS} for practice in PRACTICES)
        table.flush()
        words = ["practices", "import", table.name, "--network", NETWORK]
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", *words], stdout=subprocess.PIPE, text=True, check=False
        )
    if done.returncode:
        return done.returncode
    keys = [row["key"] for row in csv.DictReader(io.StringIO(done.stdout)) if row["key"]]
    if not keys:
        sys.stderr.write(f"A network key named {NETWORK} exists already and cannot be shown again.\n")
        return 1
    file.write_text(keys[0])
    file.chmod(0o640)
    sys.stdout.write(f"Added {', '.join(PRACTICES)} and a key for the demonstration.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
