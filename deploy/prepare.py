"""Checks this machine and prepares `.venv/` from the locked requirements.

It runs with the system's Python and needs only the standard library.
"""

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PACKAGES = (ROOT, ROOT / "lab")
NEEDED_PYTHON = (3, 11)
NEEDED_GLIBC = (2, 28)
NEEDED_MACOS = (13, 0)
NEEDED_FREE_BYTES = 2_000_000_000
SETS = ["services", "embedded", "dev"]
"""Each set includes the one before it."""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def check_python() -> str:
    """Return a sentence about this Python; exit when it is too old."""
    if sys.version_info < NEEDED_PYTHON:
        sys.exit(
            f"Python {platform.python_version()} is too old: install Python 3.11 or newer, "
            "then run `make PYTHON=python3.11 …`."
        )
    return f"Python {platform.python_version()} is new enough."


def check_platform() -> str:
    """Return a sentence about this platform; exit when no wheels exist for it."""
    system = platform.system()
    if system == "Linux":
        library, version = platform.libc_ver()
        if library != "glibc" or _numbers(version) < NEEDED_GLIBC:
            sys.exit(
                f"This Linux has {library or 'no glibc'} {version}: the packages need glibc 2.28 or "
                "newer (Debian 10, Ubuntu 18.10, RHEL 8 or later)."
            )
        return f"Linux with glibc {version} on {platform.machine()} is supported."
    if system == "Darwin":
        version = platform.mac_ver()[0]
        if _numbers(version) < NEEDED_MACOS:
            sys.exit(f"macOS {version} is too old: macOS 13 or newer is needed.")
        return f"macOS {version} on {platform.machine()} is supported."
    sys.exit(f"{system} is not supported directly: use Linux or macOS (on Windows: WSL 2).")


def check_disk() -> str:
    """Return a sentence about the free disk space; exit when the environment would not fit."""
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_FREE_BYTES and not VENV.exists():
        sys.exit(f"Only {free / 1e9:.1f} GB are free in {ROOT}: make room for 2 GB.")
    return f"{free / 1e9:.0f} GB of disk are free; the environment needs about 1 GB."


def fingerprint(lock: Path) -> str:
    """Return a hash of what the environment is prepared from; a change means to prepare it again."""
    digest = hashlib.sha256(f"{sys.version} {ROOT}".encode())
    for part in (lock, *(folder / "pyproject.toml" for folder in PACKAGES)):
        digest.update(part.read_bytes())
    return digest.hexdigest()


def stamp(name: str) -> Path:
    """Return the file that records the fingerprint from which a set was installed."""
    return VENV / f"prepared-{name}"


def is_prepared(name: str) -> bool:
    """Return whether this set is installed from the current lock."""
    lock = ROOT / "requirements" / f"{name}.txt"
    return stamp(name).exists() and stamp(name).read_text() == fingerprint(lock)


def prepare(name: str) -> None:
    """Create `.venv/` with `requirements/<name>.txt` and the `rapport` command, unless it is up to date."""
    if any(is_prepared(wider) for wider in SETS[SETS.index(name) :]):
        return
    lock = ROOT / "requirements" / f"{name}.txt"
    for sentence in (check_python(), check_platform(), check_disk()):
        print(sentence, flush=True)
    print(f"Preparing .venv/ from {lock.relative_to(ROOT)} (only once; one to three minutes) …", flush=True)
    started = time.monotonic()
    if not (VENV / "bin" / "python").exists():
        venv.create(VENV, with_pip=True)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    subprocess.run([*pip, "--require-hashes", "--requirement", str(lock)], check=True, env=environment)
    subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", *(f"--editable={folder}" for folder in PACKAGES)],
        check=True,
        env=environment,
    )
    stamp(name).write_text(fingerprint(lock))
    print(f"Prepared in {time.monotonic() - started:.0f} s.", flush=True)


def main() -> None:
    """Prepare the environment named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=SETS, help="which lock to install")
    prepare(parser.parse_args().name)


if __name__ == "__main__":
    main()
