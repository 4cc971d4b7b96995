"""Each service's migrations are one line from the first to the newest."""

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from services.cli.plugins import services_with_tables
from services.runtime.postgres.table_versions import FOLDER


def _scripts(service: str) -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("version_locations", str(FOLDER / service / "versions"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


@pytest.mark.parametrize("service", services_with_tables())
def test_migrations_have_one_head_and_one_base(service: str) -> None:
    scripts = _scripts(service)

    line = [revision.revision for revision in scripts.walk_revisions()]

    assert len(scripts.get_heads()) == len(scripts.get_bases()) == 1
    files = sorted(path.name[:4] for path in (FOLDER / service / "versions").glob("[0-9]*.py"))
    assert sorted(line) == files


@pytest.mark.parametrize("service", services_with_tables())
def test_each_migration_says_which_versions_run_on_its_tables(service: str) -> None:
    line = list(reversed(list(_scripts(service).walk_revisions())))
    known = [revision.revision for revision in line]
    said = [getattr(revision.module, "runs_from", None) for revision in line]
    first = next(place for place, runs_from in enumerate(said) if runs_from is not None)

    # One that says nothing lets no version from before run.
    oldest = [known.index(one) if one else place for place, one in enumerate(said[first:], first)]
    assert oldest == sorted(oldest)
    assert all(one <= place for place, one in enumerate(oldest, first))
