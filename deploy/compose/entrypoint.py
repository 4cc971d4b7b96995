"""Runs the service or command that the first argument names, in this process.

python -m deploy.compose.entrypoint ingest | detector | notifier | mail-catcher | any command of `rapport`
"""

import runpy
import sys

MODULES = {
    "ingest": "services.ingest",
    "detector": "services.detector",
    "notifier": "services.notifier",
    "mail-catcher": "services.cli.local.mail_catcher",
    "make-secrets": "deploy.compose.make_secrets",
    "make-demo-key": "deploy.compose.make_demo_key",
    "where": "deploy.compose.addresses",
}
COMMAND = "services.cli"


def module_for(word: str) -> str:
    """Return the module that a word starts; other words are commands of `rapport`."""
    return MODULES.get(word, COMMAND)


def main() -> None:
    """Run the module without a child process, so that it receives the container's signals."""
    word = sys.argv[1] if len(sys.argv) > 1 else "--help"
    module = module_for(word)
    sys.argv = ["rapport", *sys.argv[1:]] if module == COMMAND else [word, *sys.argv[2:]]
    runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
