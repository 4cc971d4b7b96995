"""Prints the Secrets of a new installation for `kubectl create`, which refuses to change existing ones.

python3 -m deploy.kubernetes.make_secrets | kubectl --namespace rapport create --filename=-

Names and keys are those of the folders and files of `deploy.compose.make_secrets`. `rapport-postgres` is for
whoever creates the database's roles: it holds verifiers of the services' passwords, not the passwords.
"""

import json
import secrets
import sys
from typing import Any

from deploy.compose.make_secrets import scram_verifier

WITH_A_DATABASE = ("detector", "notifier", "operator")


def contents() -> dict[str, dict[str, str]]:
    """Return new secrets: by reader, the text of each file."""
    made: dict[str, dict[str, str]] = {
        "ingest": {"record-key": secrets.token_hex(32)},
        "notifier": {"signing-secret": secrets.token_hex(32)},
        "keys": {"credentials.json": '{"keys": []}\n'},
        "postgres": {},
    }
    erasure_secret = secrets.token_hex(32)
    for reader in WITH_A_DATABASE:
        password = secrets.token_hex(32)
        own = made.setdefault(reader, {})
        own |= {"database-password": password, "erasure-secret": erasure_secret}
        made["postgres"][f"{reader}.scram"] = scram_verifier(password, secrets.token_bytes(16))
    return made


def manifests() -> dict[str, Any]:
    """Return a list of Secrets as `kubectl` reads it."""
    labels = {"app.kubernetes.io/part-of": "rapport"}
    items = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"rapport-{reader}", "labels": labels},
            "stringData": files,
        }
        for reader, files in contents().items()
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def main() -> int:
    """Print the Secrets, unless a person would see them."""
    if sys.stdout.isatty():
        sys.stderr.write(
            "These are secrets: pipe them to `kubectl --namespace rapport create --filename=-`.\n"
        )
        return 2
    json.dump(manifests(), sys.stdout, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
