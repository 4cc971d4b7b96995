"""Asks the container's own service whether all is well: exit code 0 when `/healthz` answers 200."""

import http.client
import os
import sys

TIMEOUT_S = 2


def main() -> int:
    """Ask once and print the answer, which `docker inspect` shows."""
    port = int(os.environ.get("HTTP_MANAGEMENT_PORT", "8090"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", os.environ.get("RAPPORT_HEALTH_PATH", "/healthz"))
        answer = connection.getresponse()
        body = answer.read(2000).decode(errors="replace")
    except OSError as error:
        sys.stdout.write(f"no answer on port {port}: {type(error).__name__}\n")
        return 1
    finally:
        connection.close()
    sys.stdout.write(f"{body}\n")
    return 0 if answer.status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main())
