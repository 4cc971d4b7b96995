"""Who runs a command is known in a container, too, whose users have no names."""

import os
import pwd

import pytest

from services.runtime.process.cli_plugin import operator, user_name


@pytest.fixture(autouse=True)
def _no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)


def test_a_user_without_a_name_is_known_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(number: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert user_name() == f"uid {os.getuid()}"
    assert operator() == f"operator uid {os.getuid()}"


def test_a_user_is_known_by_name() -> None:
    assert user_name() == pwd.getpwuid(os.getuid()).pw_name


def test_a_name_that_was_given_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "someone")
    assert operator() == "operator someone"
