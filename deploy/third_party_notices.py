"""Writes down the licences of the packages in an environment, with the texts that they bring along.

    python -m deploy.third_party_notices .venv/lib/python3.11/site-packages build/THIRD-PARTY-NOTICES.txt

The image holds the result for its own packages, beside a bill of materials in CycloneDX.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageMetadata, distributions
from pathlib import Path

OWN = frozenset({"rapport", "rapport-lab"})
_TEXT_NAMES = re.compile(r"(LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*", re.IGNORECASE)
_CODE = (".py", ".pyc", ".pyi", ".so")
_CLASSIFIER = "License :: "

REMARKS = {
    "psycopg": (
        "LGPL-3.0-only, used as a library and unchanged: whoever receives the image may replace it by another"
        " version in site-packages."
    ),
    "psycopg-binary": (
        "LGPL-3.0-only like psycopg; its wheel contains libpq (PostgreSQL licence) and OpenSSL (Apache-2.0)."
    ),
    "psycopg-pool": "LGPL-3.0-only like psycopg.",
}
"""What to know beyond the name of a licence."""

INTRODUCTION = """\
Rapport is licensed under the Apache License, Version 2.0. It uses the packages below, each under its own
licence and unchanged. Some wheels contain libraries in compiled form; their licences are among the texts of
the package. The image also holds CPython and libraries of Debian, which /var/lib/dpkg/status lists.
"""


class UnknownLicence(Exception):
    """A package does not say under which licence it is."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be said of one package."""

    name: str
    version: str
    licence: str
    homepage: str
    texts: tuple[str, ...]


def notices(site_packages: Path) -> list[Notice]:
    """Return the notice of each package in a folder, in the order of their names.

    Raises:
        UnknownLicence: a package names no licence.
    """
    found = (one for one in distributions(path=[str(site_packages)]) if _name(one) not in OWN)
    return sorted((_notice(one) for one in found), key=lambda one: one.name)


def _notice(distribution: Distribution) -> Notice:
    metadata, texts = distribution.metadata, tuple(_texts(distribution))
    return Notice(
        _name(distribution),
        distribution.version,
        licence_of(metadata, texts),
        _homepage(metadata),
        texts,
    )


def _name(distribution: Distribution) -> str:
    return re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()


def _field(metadata: PackageMetadata, name: str) -> str:
    return str(metadata[name] or "") if name in metadata else ""


def licence_of(metadata: PackageMetadata, texts: Sequence[str] = ()) -> str:
    """Return what a package says of its licence: its expression, or else what its other fields or texts say.

    Raises:
        UnknownLicence: it says nothing.
    """
    expression = _field(metadata, "License-Expression")
    name = _field(metadata, "License")
    classifiers = [
        one.rpartition(" :: ")[2]
        for one in metadata.get_all("Classifier") or ()
        if one.startswith(_CLASSIFIER) and one != "License :: OSI Approved"
    ]
    # Some packages put the whole text into the field of the name; the first line of a text is its name.
    headings = [text.strip().partition("\n")[0] for text in (name, *texts[:1])]
    found = expression or " or ".join(classifiers) or next(filter(None, headings), "")
    if not found or found.upper() == "UNKNOWN":
        raise UnknownLicence(f"{metadata['Name']} names no licence: look it up, or do without the package")
    return str(found)


def _homepage(metadata: PackageMetadata) -> str:
    for entry in metadata.get_all("Project-URL") or ():
        label, _, url = entry.partition(", ")
        if label.lower() in {"homepage", "source", "repository", "source code"}:
            return str(url)
    return _field(metadata, "Home-page")


def _texts(distribution: Distribution) -> Iterator[str]:
    for file in sorted(distribution.files or (), key=str):
        if _TEXT_NAMES.fullmatch(file.name) and file.suffix not in _CODE:
            path = Path(str(file.locate()))
            if path.is_file():
                yield path.read_text(encoding="utf-8", errors="replace").strip()


def page(found: list[Notice]) -> str:
    """Return the text: first a table of all packages, then what each brings along."""
    width = max(len(f"{one.name} {one.version}") for one in found)
    table = [f"{f'{one.name} {one.version}':<{width}}  {one.licence}" for one in found]
    remarks = [f"{name}: {REMARKS[name]}" for name in sorted(REMARKS) if name in {one.name for one in found}]
    parts = [INTRODUCTION, "\n".join(table), "\n".join(remarks)]
    for one in found:
        head = f"{'=' * 78}\n{one.name} {one.version}\n{one.licence}\n{one.homepage}".rstrip()
        parts.append("\n\n".join((head, *one.texts)))
    return "\n\n".join(parts) + "\n"


def write(site_packages: Path, file: Path) -> None:
    """Write the text for a folder of packages.

    Raises:
        UnknownLicence: a package names no licence.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(notices(site_packages)), encoding="utf-8")


def main() -> None:
    """Write the text for the folder and into the file that the command line names."""
    write(Path(sys.argv[1]), Path(sys.argv[2]))


if __name__ == "__main__":
    main()
