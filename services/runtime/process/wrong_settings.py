"""Says in sentences which settings are missing, wrong or unknown; never a value, which may be a secret."""

import difflib
import re
from collections.abc import Iterator, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsError

SHARED_PREFIXES = frozenset({"KAFKA_", "DATABASE_", "HTTP_", "LOG_", "RAPPORT_", "TRACES_"})
"""Prefixes that other programs or other services use, too: their names are unknown only when they resemble
one that is read here."""

RESEMBLES = 0.85
"""How like a known name an unknown one must be to be taken for a mistyped one, from 0 to 1 (difflib)."""

_PLATFORM = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_.+)?)")
"""What container platforms put into the environment for a service of that name."""

_EXPECTED = {
    "missing": "is not set",
    "bool_parsing": "must be true or false",
    "float_parsing": "must be a number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
}
_LIMITS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
_QUOTES_INPUT = frozenset({"value_error", "assertion_error"})


def wrong_settings(error: ValidationError | SettingsError) -> list[str]:
    """Return a sentence for each wrong setting: its variable, what is expected, what it is for."""
    if isinstance(error, ValidationError):
        return [_sentence(error.title, item) for item in error.errors(include_url=False)]
    # Raised by a value that is to be JSON; its text names the field and no value.
    field = re.search(r'field "(\w+)"', str(error))
    name = field[1] if field else ""
    owner = next((found for found in _read_here() if name in found.model_fields), None)
    if owner is None:
        return [str(error)]
    return [_about(owner, name, "must be JSON")]


def is_about_settings(error: ValidationError) -> bool:
    """Whether an error was raised by a settings class."""
    return any(owner.__name__ == error.title for owner in _read_here())


def unknown_settings(environment: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """Yield each variable that looks like a setting and is read by nobody, with the name it resembles."""
    owners = [owner for owner in _read_here() if owner.model_fields]
    known = {_variable(owner, field) for owner in owners for field in owner.model_fields}
    prefixes = {owner.model_config.get("env_prefix") or "" for owner in owners} - {""}
    for name in sorted(environment.keys() - known):
        prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), None)
        if prefix is None or _PLATFORM.fullmatch(name):
            continue
        nearest = next(iter(difflib.get_close_matches(name, known, n=1, cutoff=RESEMBLES)), None)
        if nearest is not None or prefix not in SHARED_PREFIXES:
            yield name, nearest


def _read_here() -> Iterator[type[BaseSettings]]:
    waiting = [BaseSettings]
    while waiting:
        for owner in waiting.pop().__subclasses__():
            waiting.append(owner)
            yield owner


def _variable(owner: type[BaseSettings], field: str) -> str:
    return f"{owner.model_config.get('env_prefix', '')}{field}".upper()


def _sentence(title: str, item: ErrorDetails) -> str:
    field = str(item["loc"][0]) if item["loc"] else ""
    owner = next((found for found in _read_here() if found.__name__ == title), None)
    if owner is None or field not in owner.model_fields:
        return f"{title} {field}: {item['type']}"
    return _about(owner, field, _expected(item))


def _about(owner: type[BaseSettings], field: str, expected: str) -> str:
    definition = owner.model_fields[field]
    meaning = " ".join((definition.description or "").split())
    default = (
        "" if definition.is_required() else f" Without the variable, it is {_shown(definition.default)}."
    )
    return f"{_variable(owner, field)} {expected}. {meaning}{default}".strip()


def _shown(value: object) -> str:
    if value is None or value in ("", ()):
        return "none"
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def _expected(item: ErrorDetails) -> str:
    context = item.get("ctx", {})
    limits = [f"{word} {context[name]:g}" for name, word in _LIMITS.items() if name in context]
    if limits:
        return f"must be {' and '.join(limits)}"
    if item["type"] == "literal_error":
        return f"must be one of {context['expected']}"
    if item["type"] in _EXPECTED:
        return _EXPECTED[item["type"]]
    message = item["msg"].removeprefix("Value error, ")
    given = str(item["input"])
    if item["type"] in _QUOTES_INPUT and given and given in message:
        return "cannot be used"
    return f"cannot be used: {message[:1].lower()}{message[1:]}"
