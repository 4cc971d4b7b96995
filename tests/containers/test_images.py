"""The image of the services holds what runs in production; the demonstration's image adds the lab."""

import json
import subprocess

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.timeout(420)]  # the first builds the images

FOUND = """
import importlib.util, json
names = ("rapport", "services", "schemas", "deploy", "lab", "tests", "bench", "matplotlib", "pytest", "pip")
print(json.dumps({name: importlib.util.find_spec(name) is not None for name in names}))
"""


def _packages(image: str) -> set[str]:
    """Return which of the packages above can be imported in the image."""
    python = ["docker", "run", "--rm", "--entrypoint", "/opt/rapport/bin/python", image, "-c", FOUND]
    done = subprocess.run(python, capture_output=True, text=True, check=True)
    return {name for name, is_found in json.loads(done.stdout).items() if is_found}


def _help(image: str) -> str:
    return subprocess.run(
        ["docker", "run", "--rm", image, "--help"], capture_output=True, text=True, check=True
    ).stdout


def test_the_services_image_has_neither_the_lab_nor_tools_of_development(image: str) -> None:
    assert _packages(image) == {"rapport", "services", "schemas", "deploy"}


def test_the_demo_image_adds_the_lab_and_plots(demo_image: str) -> None:
    assert _packages(demo_image) == {"rapport", "services", "schemas", "deploy", "lab", "matplotlib"}


def test_only_the_demo_image_can_simulate(image: str, demo_image: str) -> None:
    assert ("simulate" in _help(image), "simulate" in _help(demo_image)) == (False, True)


def test_the_image_says_what_it_holds_and_under_which_licences(image: str) -> None:
    folder = "/usr/share/doc/rapport"
    show = (
        "import json, pathlib;"
        f"print(json.dumps({{one.name: one.read_text() for one in pathlib.Path('{folder}').iterdir()}}))"
    )
    python = ["docker", "run", "--rm", "--entrypoint", "/opt/rapport/bin/python", image, "-c", show]
    said = json.loads(subprocess.run(python, capture_output=True, text=True, check=True).stdout)
    notices = said["THIRD-PARTY-NOTICES.txt"]
    parts = {one["name"]: one for one in json.loads(said["sbom.cdx.json"])["components"]}

    assert "psycopg: LGPL-3.0-only" in notices
    assert parts["psycopg"]["licenses"][0]["license"]["id"] == "LGPL-3.0-only"
    assert {"aiokafka", "psycopg-binary", "scikit-learn"} <= parts.keys()
    assert "pytest" not in parts
