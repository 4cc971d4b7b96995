"""Fetches Apache Kafka's jars (54 MB, about 7 s) into `libs/` with Maven, once."""

from pathlib import Path

from deploy.maven_jars import MavenJars

HERE = Path(__file__).resolve().parent
_JARS = MavenJars(HERE, "Apache Kafka")
LIBS = _JARS.libs
POM = HERE / "pom.xml"

missing = _JARS.missing
is_fetched = _JARS.is_fetched
fetch = _JARS.fetch
