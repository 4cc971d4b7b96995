"""Fetches the jars that a pom.xml names into `libs/` beside it with Maven, once."""

import fcntl
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class MavenJars:
    """The jars of one pom.xml."""

    folder: Path
    """Where the pom.xml is."""
    what: str
    """What they are, in error messages."""

    @property
    def libs(self) -> Path:
        """The folder of the jars."""
        return self.folder / "libs"

    @property
    def _pom(self) -> Path:
        return self.folder / "pom.xml"

    @property
    def _fetched(self) -> Path:
        return self.libs / "fetched-from-pom.xml"

    def missing(self) -> str | None:
        """Return a sentence that says what to install; None when nothing is missing."""
        if shutil.which("java") is None:
            return "Java 17 or newer is not installed (Debian: apt-get install openjdk-17-jre-headless)"
        if not self.is_fetched() and shutil.which("mvn") is None:
            return "Maven is not installed (Debian: apt-get install maven)"
        return None

    def is_fetched(self) -> bool:
        """Return whether `libs/` contains the jars that pom.xml names now."""
        return self._fetched.exists() and self._fetched.read_text() == self._pom.read_text()

    def fetch(self) -> Path:
        """Return the folder of jars; fetch them first if needed.

        Raises:
            RuntimeError: Java or Maven is missing, or Maven could not fetch the jars.
        """
        lacking = self.missing()
        if lacking:
            raise RuntimeError(lacking)
        with self._pom.open() as pom:
            # Test processes start side by side: one fetches, the others wait. The lock ends with its process.
            fcntl.flock(pom, fcntl.LOCK_EX)
            if not self.is_fetched():
                self._copy_with_maven()
        return self.libs

    def _copy_with_maven(self) -> None:
        shutil.rmtree(self.libs, ignore_errors=True)
        target = f"-DoutputDirectory={self.libs}"
        command = ["mvn", "-q", "-B", "-f", str(self._pom), "dependency:copy-dependencies", target]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"Maven could not fetch {self.what}:\n{done.stdout[-2000:]}")
        self._fetched.write_text(self._pom.read_text())
