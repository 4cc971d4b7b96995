"""Fetches Apache Kafka's jars into `libs/` with Maven, once."""

import fcntl
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIBS = HERE / "libs"
POM = HERE / "pom.xml"
_FETCHED = LIBS / "fetched-from-pom.xml"


def missing() -> str | None:
    """Return a sentence that says what to install for a real Kafka; None when nothing is missing."""
    if shutil.which("java") is None:
        return "Java 17 or newer is not installed (Debian: apt-get install openjdk-17-jre-headless)"
    if not is_fetched() and shutil.which("mvn") is None:
        return "Maven is not installed (Debian: apt-get install maven)"
    return None


def is_fetched() -> bool:
    """Return whether `libs/` contains the jars that pom.xml names now."""
    return _FETCHED.exists() and _FETCHED.read_text() == POM.read_text()


def fetch() -> Path:
    """Return the folder of jars; fetch them first if needed (54 MB, about 7 s).

    Raises:
        RuntimeError: Java or Maven is missing, or Maven could not fetch the jars.
    """
    lacking = missing()
    if lacking:
        raise RuntimeError(lacking)
    with POM.open() as pom:
        # Test processes start side by side: one fetches, the others wait. The lock ends with its process.
        fcntl.flock(pom, fcntl.LOCK_EX)
        if not is_fetched():
            _copy_with_maven()
    return LIBS


def _copy_with_maven() -> None:
    shutil.rmtree(LIBS, ignore_errors=True)
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={LIBS}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Maven could not fetch Apache Kafka:\n{done.stdout[-2000:]}")
    _FETCHED.write_text(POM.read_text())
