"""The image's first process: a word in, that service or command running in this very process out.

python -m deploy.compose.entrypoint ingest | detector | notifier | mail-catcher | any word of `rapport`
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
    """The module that a word starts; words that are no process of their own belong to `rapport`."""
    return MODULES.get(word, COMMAND)


def main() -> None:
    """Become what was asked for: no child process, so signals arrive where they are meant to."""
    word = sys.argv[1] if len(sys.argv) > 1 else "--help"
    module = module_for(word)
    sys.argv = ["rapport", *sys.argv[1:]] if module == COMMAND else [word, *sys.argv[2:]]
    runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
