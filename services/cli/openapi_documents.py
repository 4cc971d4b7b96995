"""Names of services in, their OpenAPI documents out: each asked in a process of its own.

A service's `openapi` holds `document()`, for which nothing is connected.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

_ASK = """
import importlib, json, sys
print(json.dumps(importlib.import_module(f"services.{sys.argv[1]}.openapi").document()))
"""


def openapi_documents(services: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The documents by service.

    Raises:
        RuntimeError: a service could not say; with its last words.
    """
    asked = {
        name: subprocess.Popen(
            [sys.executable, "-c", _ASK, name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for name in services
    }
    found = {}
    for name, process in asked.items():
        document, errors = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{name} has no OpenAPI document: {errors.strip().splitlines()[-1]}")
        found[name] = json.loads(document)
    return found
