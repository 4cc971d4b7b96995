"""Runs a command of `rapport` in the cluster with an operator's rights, and stores the keys that it changed.

python3 -m deploy.kubernetes.rapport practices add my-practice

Each command runs in a Job of its own. `kubectl` uses its current context; RAPPORT_NAMESPACE names the
namespace (default: rapport). The command's end decides the exit code.
"""

import base64
import getpass
import json
import os
import secrets
import subprocess
import sys

SECRET, FILE = "rapport-keys", "credentials.json"
PYTHON = "/opt/rapport/bin/python"
READ_KEYS = f"print(open('/run/rapport/keys/{FILE}').read(), end='')"
# The log of who did what names a person, whom only this side knows.
AS_PERSON = (
    "import os, runpy, sys; os.environ['LOGNAME'] = sys.argv.pop(1); sys.argv[0] = 'rapport';"
    " runpy.run_module('services.cli', run_name='__main__')"
)
NOT_STORED = (
    "The keys were changed by somebody else meanwhile, or the cluster does not answer: what this command\n"
    "changed about keys is NOT in force, and a key that it showed does not work. Run it again.\n"
)


def kubectl(*words: str) -> list[str]:
    """Return the words of a command line."""
    return ["kubectl", f"--namespace={os.environ.get('RAPPORT_NAMESPACE', 'rapport')}", *words]


def read(*words: str) -> str:
    """Return what kubectl prints.

    Raises:
        subprocess.CalledProcessError: it failed; its own message is on standard error.
    """
    return subprocess.run(kubectl(*words), check=True, stdout=subprocess.PIPE, text=True).stdout


def run(job: str, words: list[str]) -> int:
    """Run the command in the Job's pod, on this terminal, and return its exit code."""
    terminal = ["--stdin", *(["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else [])]
    inside = [f"job/{job}", "--container=operator", "--", PYTHON, "-c", AS_PERSON, getpass.getuser(), *words]
    return subprocess.run(kubectl("exec", *terminal, *inside), check=False).returncode


def store_keys(job: str, before: str, version: str) -> int:
    """Store the pod's keys if they are not those of `before`, and the Secret still has this version."""
    after = read("exec", f"job/{job}", "--container=operator", "--", PYTHON, "-c", READ_KEYS)
    if after == before:
        return 0
    data = {FILE: base64.b64encode(after.encode()).decode()}
    patch = json.dumps({"metadata": {"resourceVersion": version}, "data": data})
    done = subprocess.run(
        kubectl("patch", "secret", SECRET, "--type=merge", "--patch-file=/dev/stdin"),
        check=False,
        input=patch,
        text=True,
        stdout=subprocess.DEVNULL,
    )
    return done.returncode


def main() -> int:
    """Start the Job, run the command, store the keys and delete the Job."""
    stored = json.loads(read("get", "secret", SECRET, "--output=json"))
    before = base64.b64decode(stored["data"][FILE]).decode()
    job = f"rapport-{secrets.token_hex(4)}"
    read("create", "job", job, "--from=cronjob/operator")
    try:
        read("wait", f"job/{job}", "--for=jsonpath={.status.ready}=1", "--timeout=120s")
        code = run(job, sys.argv[1:] or ["--help"])
        try:
            not_stored = store_keys(job, before, stored["metadata"]["resourceVersion"])
        except subprocess.CalledProcessError as error:
            not_stored = error.returncode
    finally:
        subprocess.run(kubectl("delete", "job", job, "--wait=false"), check=False, stdout=subprocess.DEVNULL)
    if not_stored:
        sys.stderr.write(NOT_STORED)
    return code or not_stored


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode)
