"""Fixtures of the container tests: images of this tree, and the whole stack as a project of its own."""

import time
from collections.abc import Iterator

import pytest

from tests.containers.compose_project import PRACTICE, Project, say
from tests.containers.traffic import Traffic
from tests.support.images import image_of


@pytest.fixture(scope="session")
def image() -> str:
    """The services' image, built from this tree."""
    Project().compose("build", "--quiet", "detector")
    return image_of("detector")


@pytest.fixture(scope="session")
def demo_image() -> str:
    """The demonstration's image, built from this tree."""
    Project().compose("build", "--quiet", "mail")
    return image_of("mail")


@pytest.fixture(scope="module")
def project() -> Iterator[Project]:
    """The stack's project with its images built; it is always removed at the end."""
    stack = Project()
    begun = time.monotonic()
    stack.compose("--profile", "demo", "build", "--quiet")
    say(f"images built in {time.monotonic() - begun:.0f} s")
    try:
        yield stack
    finally:
        stack.remove()


@pytest.fixture(scope="module")
def traffic(project: Project) -> Traffic:
    """A practice, added by the documented command, that sends ratings."""
    key = project.add_practice(PRACTICE)
    return Traffic(PRACTICE, lambda: project.stack(PRACTICE, key))
