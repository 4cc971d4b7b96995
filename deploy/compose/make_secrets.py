"""Creates the secrets of a stack in a volume, each readable only by the service that needs it.

Every service has its own user id, so file permissions keep the secrets of one volume apart. Existing secrets
are never changed, so this runs at every start. PostgreSQL gets only verifiers of the services' passwords, not
the passwords.
"""

import base64
import hashlib
import hmac
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

RAPPORT_GROUP = 10000
INGEST, DETECTOR, NOTIFIER, OPERATOR, DEMO = 10001, 10002, 10003, 10004, 10005
POSTGRES = 999
GRAFANA = 472
SCRAM_ROUNDS = 4096


@dataclass(frozen=True, slots=True)
class SecretFolder:
    """The folder of one reader; mode 0o2750 gives files that are created in it later the folder's group."""

    name: str
    uid: int
    gid: int = RAPPORT_GROUP
    mode: int = 0o500


FOLDERS = (
    SecretFolder("ingest", INGEST),
    SecretFolder("detector", DETECTOR),
    SecretFolder("notifier", NOTIFIER),
    SecretFolder("operator", OPERATOR),
    SecretFolder("postgres", POSTGRES, POSTGRES),
    SecretFolder("grafana", GRAFANA, GRAFANA),
    # Hashes of keys, not keys: the operator's commands write them, all three services read them.
    SecretFolder("keys", OPERATOR, mode=0o2750),
    SecretFolder("demo", OPERATOR, DEMO, mode=0o2750),
)


def scram_verifier(password: str, salt: bytes) -> str:
    """Return what PostgreSQL stores instead of a password (RFC 5803)."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ROUNDS)
    client = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    b64 = [base64.b64encode(part).decode() for part in (salt, client, server)]
    return f"SCRAM-SHA-256${SCRAM_ROUNDS}:{b64[0]}${b64[1]}:{b64[2]}"


def write_once(folder: Path, name: str, text: str, owner: tuple[int, int], mode: int = 0o400) -> None:
    """Create a file that is never readable by others, unless it exists."""
    file = folder / name
    if file.exists():
        return
    handle = os.open(folder / f".{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(text)
        out.flush()
        os.fchmod(out.fileno(), mode)
        os.fchown(out.fileno(), *owner)
        os.fsync(out.fileno())
    (folder / f".{name}").replace(file)


def make(root: Path) -> None:
    """Create missing folders and secrets, and set their owners and modes."""
    root.chmod(0o755)
    for folder in FOLDERS:
        (root / folder.name).mkdir(exist_ok=True)
    for service, uid in (("detector", DETECTOR), ("notifier", NOTIFIER), ("operator", OPERATOR)):
        _database_login(root, service, uid)
    write_once(root / "ingest", "record-key", secrets.token_hex(32), (INGEST, RAPPORT_GROUP))
    write_once(root / "notifier", "signing-secret", secrets.token_hex(32), (NOTIFIER, RAPPORT_GROUP))
    _erasure_secret(root)
    write_once(root / "postgres", "superuser-password", secrets.token_hex(32), (POSTGRES, POSTGRES))
    write_once(root / "grafana", "admin-password", secrets.token_urlsafe(18), (GRAFANA, GRAFANA))
    write_once(root / "keys", "credentials.json", '{"keys": []}\n', (OPERATOR, RAPPORT_GROUP), 0o640)
    for folder in FOLDERS:
        os.chown(root / folder.name, folder.uid, folder.gid)
        (root / folder.name).chmod(folder.mode)


def _erasure_secret(root: Path) -> None:
    """Give the same secret to everyone who tells whom an erasure was about; one that exists is kept."""
    readers = (("detector", DETECTOR), ("notifier", NOTIFIER), ("operator", OPERATOR))
    files = [root / name / "erasure-secret" for name, _ in readers]
    known = next((file.read_text() for file in files if file.exists()), None)
    secret = known or secrets.token_hex(32)
    for name, uid in readers:
        write_once(root / name, "erasure-secret", secret, (uid, RAPPORT_GROUP))


def _database_login(root: Path, service: str, uid: int) -> None:
    # The verifier comes first: a password without one would never be repaired.
    file = root / service / "database-password"
    if file.exists():
        return
    password = secrets.token_hex(32)
    (root / "postgres" / f"{service}.scram").unlink(missing_ok=True)
    verifier = scram_verifier(password, secrets.token_bytes(16))
    write_once(root / "postgres", f"{service}.scram", verifier, (POSTGRES, POSTGRES))
    write_once(root / service, "database-password", password, (uid, RAPPORT_GROUP))


def main() -> int:
    """Create the secrets in the folder named first, and give PostgreSQL the second one, of its backups."""
    root, backups = map(Path, sys.argv[1:3])
    make(root)
    os.chown(backups, POSTGRES, POSTGRES)
    backups.chmod(0o700)
    sys.stdout.write(f"The secrets below {root} exist; each is readable by its service only.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
