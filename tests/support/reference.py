"""Generates `docs/reference.md` from the code: every setting, metric, topic and reason.

`python -m tests.support.reference` prints the page; a test compares it with the one in the tree.
"""

import ast
import importlib
import inspect
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import ModuleType

from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from schemas import topics

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "runtime": "services.runtime.process",
    "ingest": "services.ingest",
    "detector": "services.detector",
    "notifier": "services.notifier",
}
"""Where each one's `settings` and `metrics` stand."""
METRICS = {
    "every service": "services.runtime.process.metrics",
    "pools of connections": "services.runtime.postgres.pool_metrics",
    "rows whose time is over": "services.runtime.postgres.retention",
    "detector and notifier": "services.runtime.process.consumer_metrics",
    "ingest": "services.ingest.metrics",
    "detector": "services.detector.metrics",
    "notifier": "services.notifier.metrics",
}
"""Where each one's metrics are defined."""
SETTINGS = {"runtime": "services.runtime.process", "instruments": "schemas.instruments", **PACKAGES}
"""Where settings are defined; those of instruments are read by every service."""
REASONS = {
    "services.ingest.refusal": ("RefusalReason", "Why ingest refuses a rating"),
    "services.detector.domain.outcomes": ("RejectionReason", "Why the detector rejects a record"),
    "services.detector.domain.dyad_work": ("BlockReason", "Why an accepted record waits"),
    "schemas.events": ("KeptBack", "Why a change is stored and not told"),
    "services.notifier.domain.decision": ("DecisionReason", "Why the notifier told, or did not"),
    "services.notifier.domain.feed": ("FeedReason", "Why a silent feed was told, or was not"),
    "services.notifier.channels.channel": ("DeliveryReason", "How a delivery came to its state"),
    "services.notifier.domain.mail_plan": ("DueReason", "Why a message is due when it is"),
}
ELSEWHERE = {
    "RAPPORT_CREDENTIALS_FILE": "the keys of practices and networks (all services)",
    "RAPPORT_REVISION": "the revision that `rapport_build_info` names; the image sets it (all services)",
    "RAPPORT_KILL_AT": "fault tests only: the label at which the process ends itself",
}
"""Variables that are read without a settings class, or in several."""
HEAD = """# Reference

Generated from the code by `make reference`; a test keeps it so. What an alert means stands in `runbooks/`.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, *_topics(), *_settings(), *_metrics(), *_reasons()]
    return "\n".join(parts).rstrip() + "\n"


def _topics() -> Iterator[str]:
    yield "## Topics\n"
    yield "| topic | partitions | kept | written by | read by |\n|---|---|---|---|---|"
    for topic in topics.ALL:
        days = topic.retention_ms // topics.DAY_MS
        writers, readers = ", ".join(topic.written_by), ", ".join(topic.read_by) or "anyone downstream"
        yield f"| `{topic.name}` | {topic.partitions} | {days} days | {writers} | {readers} |"
    yield ""


def _settings() -> Iterator[str]:
    yield "## Settings\n"
    yield "Environment variables; each service reads its own and those of `runtime` and `instruments`.\n"
    for service, package in SETTINGS.items():
        module = importlib.import_module(f"{package}.settings")
        yield f"### {service}\n\n| variable | default | meaning |\n|---|---|---|"
        for owner in _settings_classes(module):
            notes = _attribute_notes(owner)
            prefix = owner.model_config.get("env_prefix", "")
            for name, field in owner.model_fields.items():
                default = "" if field.default is PydanticUndefined else f"`{_plain(field.default)}`"
                yield f"| `{f'{prefix}{name}'.upper()}` | {default} | {notes.get(name, '')} |"
        yield ""
    yield "### elsewhere\n\n| variable | meaning |\n|---|---|"
    for variable, meaning in ELSEWHERE.items():
        yield f"| `{variable}` | {meaning} |"
    yield ""


def _plain(value: object) -> str:
    if value is None or value in ("", ()):
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _settings_classes(module: ModuleType) -> Iterator[type[BaseSettings]]:
    for _, found in inspect.getmembers(module, inspect.isclass):
        if issubclass(found, BaseSettings) and found.__module__ == module.__name__ and found.model_fields:
            yield found


def _attribute_notes(owner: type) -> dict[str, str]:
    """The string after each attribute of a class: its meaning."""
    body = ast.parse(inspect.getsource(owner)).body[0]
    assert isinstance(body, ast.ClassDef)
    notes = {}
    for before, after in zip(body.body, body.body[1:], strict=False):
        text = _text(after.value) if isinstance(after, ast.Expr) else None
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and text:
            notes[before.target.id] = _line(text)
        elif isinstance(before, ast.Assign) and isinstance(before.targets[0], ast.Name) and text:
            notes[before.targets[0].id] = _line(text)
    return notes


def _text(node: ast.AST | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _metrics() -> Iterator[str]:
    yield "## Metrics\n"
    yield "On `/metrics` of the management port; counters end in `_total`. No label names a person.\n"
    for service, module in METRICS.items():
        yield f"### {service}\n\n| metric | meaning |\n|---|---|"
        file = ROOT.joinpath(*module.split(".")).with_suffix(".py")
        tree = ast.parse(file.read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and len(node.args) > 1]
        for call in sorted(calls, key=lambda node: node.lineno):
            name, meaning = _text(call.args[0]), _text(call.args[1])
            if name and meaning and name.startswith("rapport_"):
                yield f"| `{name}` | {_line(meaning)} |"
        yield ""


def _reasons() -> Iterator[str]:
    yield "## Reasons\n"
    for path, (name, title) in REASONS.items():
        reasons: type[StrEnum] = getattr(importlib.import_module(path), name)
        notes = _attribute_notes(reasons)
        yield f"### {title}\n\n| reason | meaning |\n|---|---|"
        for reason in reasons:
            yield f"| `{reason}` | {notes.get(reason.name, '')} |"
        yield ""


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - its output is the page
