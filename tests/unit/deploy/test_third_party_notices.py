"""Every package that the services run with says under which licence it is."""

import re
import sysconfig
from email.message import Message
from importlib.metadata import PackageMetadata
from pathlib import Path
from typing import cast

import pytest

from deploy.third_party_notices import REMARKS, Notice, UnknownLicence, licence_of, notices, page

ROOT = Path(__file__).resolve().parents[3]
SITE = Path(sysconfig.get_paths()["purelib"])
STRONG_COPYLEFT = re.compile(r"\b(A?GPL|GNU (Affero )?General)", re.IGNORECASE)


def locked(name: str) -> set[str]:
    """Return the names of the packages in a lock that this platform installs."""
    lock = (ROOT / "requirements" / f"{name}.txt").read_text()
    return set(re.findall(r"^([a-z0-9.-]+)==", lock, re.MULTILINE))


@pytest.fixture(scope="module")
def of_services() -> list[Notice]:
    """The notices of what the image of the services installs."""
    return [one for one in notices(SITE) if one.name in locked("services")]


def test_no_package_of_the_services_binds_the_program_that_uses_it(of_services: list[Notice]) -> None:
    assert len(of_services) > 50
    assert [one for one in of_services if STRONG_COPYLEFT.search(one.licence)] == []


def test_what_is_under_the_lesser_licence_is_named_with_what_that_means(of_services: list[Notice]) -> None:
    lesser = {one.name for one in of_services if "LGPL" in one.licence}

    assert lesser == set(REMARKS) == {"psycopg", "psycopg-binary", "psycopg-pool"}
    assert all(f"{name}: LGPL-3.0-only" in page(of_services) for name in lesser)


def test_the_texts_of_the_licences_are_part_of_the_page(of_services: list[Notice]) -> None:
    text = page(of_services)

    assert "GNU LESSER GENERAL PUBLIC LICENSE" in text
    assert all(f"\n{one.name} {one.version}\n" in text for one in of_services)


@pytest.mark.parametrize(
    ("fields", "texts", "licence"),
    [
        ({"License-Expression": "MIT", "License": "other"}, (), "MIT"),
        ({"Classifier": "License :: OSI Approved :: BSD License"}, (), "BSD License"),
        ({"License": "Apache 2.0\n\nThe whole text."}, (), "Apache 2.0"),
        ({}, ("MIT License\n\nPermission is hereby granted",), "MIT License"),
    ],
)
def test_a_licence_is_found_where_a_package_states_it(
    fields: dict[str, str], texts: tuple[str, ...], licence: str
) -> None:
    assert licence_of(metadata(fields), texts) == licence


def test_a_package_that_states_none_ends_the_build() -> None:
    with pytest.raises(UnknownLicence, match="nameless names no licence"):
        licence_of(metadata({"License": "UNKNOWN"}))


def metadata(fields: dict[str, str]) -> PackageMetadata:
    """Return the metadata of a package as its files hold them."""
    message = Message()
    message["Name"] = "nameless"
    for name, value in fields.items():
        message[name] = value
    return cast("PackageMetadata", message)
