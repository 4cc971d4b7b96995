"""Runs the examples in the docstrings of contracts, services and lab."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for tree in ("schemas", "services", "lab")
    for file in (ROOT / tree).rglob("*.py")
    if file.name != "__main__.py" and ">>> " in file.read_text(encoding="utf-8")
)
WITH_EXAMPLES = (
    "schemas",
    "services.detector.domain",
    "services.detector.features",
    "services.detector.model",
    "lab",
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_give_the_results_that_they_show(name: str) -> None:
    module = importlib.import_module(name)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner.run(example, out=report.append)

    assert runner.tries > 0
    assert report == [], "".join(report)


@pytest.mark.parametrize("package", WITH_EXAMPLES)
def test_a_package_has_examples(package: str) -> None:
    assert [name for name in MODULES if name.startswith(f"{package}.")] != []
