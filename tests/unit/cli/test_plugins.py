"""The command line learns from the plugins which services there are."""

from services.cli.plugins import installed, services_with_tables
from tests.support.images import ROOT


def test_the_services_with_tables_are_those_that_have_migrations() -> None:
    folders = (ROOT / "deploy" / "postgres").glob("*/versions")

    assert {folder.parent.name for folder in folders} == set(services_with_tables())


def test_every_service_that_stores_a_practices_options_has_tables() -> None:
    storing = {plugin.name for plugin in installed() if plugin.put_tenant is not None}

    assert storing == set(services_with_tables())
