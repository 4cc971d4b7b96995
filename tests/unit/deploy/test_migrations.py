"""Each service's migrations are one line from the first to the newest."""

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from services.cli.plugins import services_with_tables
from services.runtime.postgres.migrations import FOLDER


@pytest.mark.parametrize("service", services_with_tables())
def test_migrations_have_one_head_and_one_base(service: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("version_locations", str(FOLDER / service / "versions"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)

    line = [revision.revision for revision in scripts.walk_revisions()]

    assert len(scripts.get_heads()) == len(scripts.get_bases()) == 1
    files = sorted(path.name[:4] for path in (FOLDER / service / "versions").glob("[0-9]*.py"))
    assert sorted(line) == files
