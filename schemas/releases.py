"""Keeps the contracts of each released version and compares the current contracts with the newest of them.

`schemas/published` always shows the current state and so cannot tell what others already rely on. A folder
`schemas/released/<version>` is written once, at the release, and never changed.
"""

import re
from pathlib import Path

from schemas.compatibility import breaking_changes
from schemas.export import documents, export, read_folder

RELEASED = Path(__file__).parent / "released"
"""The folder with one subfolder for each released version."""

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


class ReleaseRefused(ValueError):
    """The contracts cannot be released under this version; the message says what to do."""


def newest_release(folder: Path = RELEASED) -> str | None:
    """Return the newest version that has a subfolder in `folder`; None when nothing is released yet.

    Versions are compared number by number: 0.10.0 is newer than 0.9.0.
    """
    versions = [child.name for child in folder.iterdir() if child.is_dir()] if folder.is_dir() else []
    return max((name for name in versions if _VERSION.fullmatch(name)), key=_numbers, default=None)


def breaking_since_release(folder: Path = RELEASED) -> list[str]:
    """Return what in the current contracts breaks those who rely on the newest release, one sentence each."""
    version = newest_release(folder)
    if version is None:
        return []
    return breaking_changes(read_folder(folder / version), documents())


def advice(version: str) -> str:
    """Return what to do about changes that break the contracts of `version`."""
    return (
        f"Version {version} is released, and others rely on its contracts. Undo these changes, or keep the "
        "type as it is and add a new version of it beside it (for example alliance.assessed.v2) with a "
        "golden event in schemas/golden."
    )


def release(version: str, folder: Path = RELEASED) -> Path:
    """Write the current contracts as those of `version` and return their folder.

    Releasing the same contracts under the same version again changes nothing.

    Raises:
        ReleaseRefused: `version` is not three numbers, is older than the newest release, is released with
            other contracts, or the contracts break those of the newest release.
    """
    if not _VERSION.fullmatch(version):
        raise ReleaseRefused(f"{version} is not a version: give three numbers, such as 0.2.0")
    newest = newest_release(folder)
    target = folder / version
    if target.is_dir():
        if read_folder(target) == documents():
            return target
        raise ReleaseRefused(
            f"Version {version} is released with other contracts, which never change: raise the version in "
            "pyproject.toml and release that one"
        )
    if newest is not None:
        if _numbers(version) < _numbers(newest):
            raise ReleaseRefused(f"Version {version} is older than {newest}, which is released")
        breaks = breaking_since_release(folder)
        if breaks:
            raise ReleaseRefused("\n".join([*breaks, advice(newest)]))
    export(target)
    return target


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
