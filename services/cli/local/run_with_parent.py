"""Runs a module that ends with the process that started it.

python -m services.cli.local.run_with_parent services.ingest
"""

import os
import runpy
import signal
import sys

from services.cli.local.parent_watch import when_parent_ends


def main() -> None:
    """Run the named module; send SIGTERM to this process when the parent process has ended."""
    module = sys.argv.pop(1)
    when_parent_ends(lambda: os.kill(os.getpid(), signal.SIGTERM))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
