"""Assembles the root folder of the image from a build stage's environment, without a shell or tests.

    python -m deploy.compose.assemble_image /opt/rapport /image

It deletes from the environment what only developers need, imports what the processes import so that exactly
these modules are compiled, and copies the interpreter, its standard library and every shared library that
they need into the folder that becomes the image's root.
"""

import compileall
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from deploy import third_party_notices

PROCESSES = ("ingest", "detector", "notifier", "cli")
UNUSED_ENDINGS = (".pyi", ".pyx", ".pxd", ".c", ".h", ".a", ".js.map", ".f90")
UNUSED_FOLDERS = ("tests", "test", "include")
UNUSED_STDLIB = ("test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "pydoc_data", "venv")
OWN = ("rapport", "schemas", "services", "deploy")
SYSTEM = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ld.so.cache",
    "/etc/os-release",
    "/usr/lib/os-release",
    # Vulnerability scanners read here which packages the files come from.
    "/var/lib/dpkg/status",
)
NOTICES = Path("/usr/share/doc/rapport/THIRD-PARTY-NOTICES.txt")
"""Where the image says under which licences its packages are."""
USERS = "root:x:0:0::/:\nrapport:x:10001:10000::/tmp:\n"
GROUPS = "root:x:0:\nrapport:x:10000:\n"


def packages(environment: Path) -> Path:
    """Return the folder of the environment's packages."""
    return next((environment / "lib").glob("python3*/site-packages"))


def prune(site: Path) -> None:
    """Delete tests, sources and stubs of third-party packages."""
    for part in sorted(site.iterdir()):
        if not part.is_dir() or part.name in OWN or part.suffix == ".dist-info":
            continue
        for path in [part, *part.rglob("*")]:
            if path.is_dir() and path.name in UNUSED_FOLDERS and path != part:
                shutil.rmtree(path)
            elif path.is_file() and path.name.endswith(UNUSED_ENDINGS):
                path.unlink()


def compile_used(environment: Path) -> None:
    """Compile our packages, and what the processes import when they start."""
    for stdlib in standard_library():
        for cache in list(stdlib.rglob("__pycache__")):
            shutil.rmtree(cache)
    site = packages(environment)
    for own in OWN:
        compileall.compile_dir(site / own, quiet=1)
    imports = "; ".join(f"import services.{name}.__main__" for name in PROCESSES)
    commands = "from services.cli.__main__ import application; application()"
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(
        [environment / "bin" / "python", "-c", f"{imports}; {commands}", "--help"],
        check=True,
        env=clean,
        cwd="/",
        stdout=subprocess.DEVNULL,
    )


def standard_library() -> Iterator[Path]:
    """Yield the folders of the standard library."""
    paths = sysconfig.get_paths()
    yield from {Path(paths["stdlib"]), Path(paths["platstdlib"])}


def libraries(files: Iterable[Path]) -> set[Path]:
    """Return every shared library that these files need, as the loader finds it."""
    needed = set()
    asked = [str(file) for file in files]
    done = subprocess.run(["ldd", *asked], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        words = line.split()
        found = words[2] if len(words) > 2 and words[1] == "=>" else words[0] if words else ""
        if found.startswith("/") and not found.endswith(":"):
            needed.add(Path(found))
    return needed


def copy(source: Path, image: Path) -> None:
    """Copy a file to the same path below `image`, with the symbolic links in its path."""
    for folder in reversed(source.parents):
        _link_or_folder(folder, image)
    target = image / source.relative_to("/")
    if target.is_symlink() or target.exists():
        return
    if source.is_symlink():
        target.symlink_to(source.readlink())
        copy(source.parent / source.readlink(), image)
    elif source.exists():
        shutil.copy2(source, target)


def _link_or_folder(folder: Path, image: Path) -> None:
    target = image / folder.relative_to("/")
    if target.is_symlink() or target.exists():
        return
    if folder.is_symlink():
        target.symlink_to(folder.readlink())
        _link_or_folder(folder.resolve(), image)
        (image / folder.resolve().relative_to("/")).mkdir(parents=True, exist_ok=True)
    else:
        target.mkdir()


def assemble(environment: Path, image: Path) -> None:
    """Write the files of the image's root folder."""
    image.mkdir()
    python = environment / "bin" / "python"
    extensions = [file for file in environment.rglob("*.so*") if file.is_file()]
    for stdlib in standard_library():
        ignored = shutil.ignore_patterns(*UNUSED_STDLIB, "config-3*", "site-packages", "dist-packages")
        target = image / stdlib.relative_to("/")
        shutil.copytree(stdlib, target, ignore=ignored, ignore_dangling_symlinks=True, dirs_exist_ok=True)
        extensions += [file for file in target.rglob("*.so") if file.is_file()]
    interpreter = python.readlink()
    while not interpreter.is_absolute():
        interpreter = (python.parent / interpreter).readlink()
    # Threads load libgcc_s by name when they end; no file lists it as a dependency.
    by_name = (Path("/lib/x86_64-linux-gnu"), Path("/lib/aarch64-linux-gnu"))
    wanted = {interpreter, *libraries([interpreter.resolve(), *extensions])}
    wanted |= {folder / "libgcc_s.so.1" for folder in by_name if (folder / "libgcc_s.so.1").exists()}
    for file in sorted({*wanted, *map(Path, SYSTEM)}):
        if not file.is_relative_to(environment) and not file.is_relative_to(image):
            copy(file, image)
    (image / "etc" / "passwd").write_text(USERS)
    (image / "etc" / "group").write_text(GROUPS)
    third_party_notices.write(packages(environment), image / NOTICES.relative_to("/"))
    (image / "tmp").mkdir()
    (image / "tmp").chmod(0o1777)


def main() -> None:
    """Prune and compile the environment, then write the image's root."""
    environment, image = Path(sys.argv[1]), Path(sys.argv[2])
    prune(packages(environment))
    compile_used(environment)
    assemble(environment, image)


if __name__ == "__main__":
    main()
