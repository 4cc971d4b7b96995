"""What a container asks its own service: `/readyz` on HTTP_PORT in, exit code 0 when it is ready out."""

import http.client
import os
import sys

TIMEOUT_S = 2


def main() -> int:
    """Ask once; what is not ready is printed, which `docker inspect` shows."""
    port = int(os.environ.get("HTTP_PORT", "8080"))
    door = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        door.request("GET", os.environ.get("RAPPORT_READY_PATH", "/readyz"))
        answer = door.getresponse()
        said = answer.read(2000).decode(errors="replace")
    except OSError as error:
        sys.stdout.write(f"no answer on port {port}: {type(error).__name__}\n")
        return 1
    finally:
        door.close()
    sys.stdout.write(f"{said}\n")
    return 0 if answer.status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main())
