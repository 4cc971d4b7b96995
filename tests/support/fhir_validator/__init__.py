"""Runs HL7's FHIR validator over resources, offline, with the definitions of R4 (4.0.1)."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from deploy.maven_jars import MavenJars

HERE = Path(__file__).resolve().parent
_JARS = MavenJars(HERE, "HL7's FHIR validator")
_JAVA = ("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx700m")

missing = _JARS.missing


class Finding(NamedTuple):
    """What the validator says about one resource."""

    resource: str
    severity: str
    place: str
    text: str


def validate(resources: Iterable[tuple[str, Mapping[str, Any]]], folder: Path) -> list[Finding]:
    """Return the errors in resources, each with its name; warnings and advice are left out.

    Raises:
        RuntimeError: the validator cannot be fetched.
        CalledProcessError: it broke.
    """
    files = []
    for number, (name, resource) in enumerate(resources):
        file = folder / f"{number:03} {name}.json"
        file.write_text(json.dumps(resource), encoding="utf-8")
        files.append(str(file))
    command = [*_JAVA, "-cp", f"{_JARS.fetch()}/*", str(HERE / "Validate.java"), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = [Finding(*line.split("\t", 3)) for line in done.stdout.splitlines()]
    return [each for each in found if each.severity in {"error", "fatal"}]
