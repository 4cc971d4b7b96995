"""Builds a newer version of the services' image, with one more migration, for upgrade tests."""

import subprocess
from pathlib import Path

from tests.containers.compose_project import PACKAGES_IN_IMAGE, Project
from tests.support.images import ROOT, compose_file, image_of

VERSIONS = "deploy/postgres/detector/versions"
MIGRATION = """
from alembic import op
revision, down_revision, branch_labels, depends_on = "9999", "{newest}", None, None
runs_from = "{newest}"
def upgrade() -> None:
    op.execute("CREATE TABLE {table} (n integer)")
"""


class NewerVersion:
    """A newer image; it is removed with its project."""

    table = "detector.newer"
    """The table that its migration adds."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.image = f"{project.name}:newer"
        newest = max((ROOT / VERSIONS).glob("*.py")).name.split("_")[0]
        (folder / "9999_newer.py").write_text(MIGRATION.format(newest=newest, table=self.table))
        copy = f"COPY 9999_newer.py {PACKAGES_IN_IMAGE}/{VERSIONS}/"
        (folder / "Dockerfile").write_text(f"FROM {image_of('ingest')}\n{copy}\n")
        words = ["docker", "build", "--quiet", "--tag", self.image, str(folder)]
        subprocess.run(words, capture_output=True, check=True)
        project.images.append(self.image)
        services = compose_file()["services"]
        ours = [name for name, service in services.items() if service["image"] == services["ingest"]["image"]]
        file = folder / "newer.json"
        self.words = project.changed(file, {name: {"image": self.image} for name in ours})
        """Words that make `docker compose` use it."""
