"""Writes `rapport_client.models` from the published OpenAPI documents; `make client` runs it."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Node = dict[str, Any]

HERE = Path(__file__).resolve().parent
DOCUMENTS = HERE.parents[1] / "schemas" / "published"
MODELS = HERE / "src" / "rapport_client" / "models"
SERVICES = {"ingest": "ingest", "detector": "results", "notifier": "notifier"}
"""The module of each service's models, by the service in the name of its document."""
OF_OTHER_CLIENTS = ("/v1/fhir", "/cds-services")
"""Beginnings of paths that record systems call with a client of their own, which speaks FHIR."""
_SCHEMAS = "#/components/schemas/"
_OPTIONS = (
    "--input-file-type=openapi",
    "--openapi-scopes=schemas",
    "--output-model-type=pydantic_v2.BaseModel",
    "--target-python-version=3.11",
    "--enum-field-as-literal=all",
    "--use-annotated",
    "--use-standard-collections",
    "--use-union-operator",
    "--use-schema-description",
    "--use-field-description",
    "--use-single-line-docstring",
    "--field-constraints",
    "--strict-nullable",
    "--collapse-root-models",
    "--enable-faux-immutability",
    "--disable-timestamp",
    "--use-double-quotes",
    "--formatters=builtin",
)


def generate(folder: Path) -> None:
    """Write one module of models for each service into `folder`."""
    for service, module in SERVICES.items():
        _write(prepared(published(service)), service, folder / f"{module}.py")
    files = [str(folder / f"{module}.py") for module in SERVICES.values()]
    ruff = [str(Path(sys.executable).with_name("ruff")), "format", "--quiet", "--no-cache"]
    subprocess.run([*ruff, "--config", str(HERE.parents[1] / "pyproject.toml"), *files], check=True)


def published(service: str) -> Node:
    """Return the document of a service, with the paths and schemas that this client is for."""
    document: Node = json.loads((DOCUMENTS / f"openapi-{service}.json").read_text(encoding="utf-8"))
    paths = {
        path: methods for path, methods in document["paths"].items() if not path.startswith(OF_OTHER_CLIENTS)
    }
    schemas: dict[str, Node] = document["components"]["schemas"]
    used = set(_reachable([paths], schemas))
    kept = {name: schema for name, schema in schemas.items() if name in used}
    return {**document, "paths": paths, "components": {"schemas": kept}}


def prepared(document: Node) -> Node:
    """Return the document as the generator reads it best.

    Titles only repeat names. A null beside one type is written into the type. What a client reads may hold
    values of enumerations that are newer than the client: there they are texts, and the known ones are named.
    """
    schemas: dict[str, Node] = document["components"]["schemas"]
    operations = [each for path in document["paths"].values() for each in path.values()]
    sent = set(_reachable([one["requestBody"] for one in operations if "requestBody" in one], schemas))
    texts = {name: schema for name, schema in schemas.items() if "enum" in schema}
    kept = {
        name: _simplified(schema, {} if name in sent else texts)
        for name, schema in schemas.items()
        if name in sent or name not in texts
    }
    return {**document, "paths": {}, "components": {"schemas": kept}}


def _reachable(nodes: Iterable[Node], schemas: Mapping[str, Node]) -> Iterator[str]:
    """Yield the schemas that these nodes hold, or that those hold."""
    waiting = list(nodes)
    found: set[str] = set()
    while waiting:
        for name in set(_references(waiting.pop())) - found:
            found.add(name)
            waiting.append(schemas[name])
    yield from found


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield str(node["$ref"]).removeprefix(_SCHEMAS)
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _simplified(schema: Node, texts: Mapping[str, Node]) -> Node:
    node = {key: value for key, value in schema.items() if key not in {"title", "example", "examples"}}
    named = texts.get(str(node.get("$ref")).removeprefix(_SCHEMAS))
    if named is not None:
        del node["$ref"]
        node = {"type": "string", **node, "description": _known(node, named)}
    elif texts and "enum" in node and "properties" not in node:
        node = {"type": "string", "description": _known(node, node)}
    for key in ("items", "additionalProperties", "propertyNames"):
        if isinstance(node.get(key), dict):
            node[key] = _simplified(node[key], texts)
    node.update({key: [_simplified(each, texts) for each in node[key]] for key in ("anyOf",) if key in node})
    if "properties" in node:
        node["properties"] = {name: _simplified(each, texts) for name, each in node["properties"].items()}
    if node.get("propertyNames") == {"type": "string"} or "description" in node.get("propertyNames", {}):
        del node["propertyNames"]
    return _nullable(node)


def _known(node: Node, named: Node) -> str:
    values = ", ".join(f"`{value}`" for value in named["enum"])
    return "\n".join(filter(None, (node.get("description"), f"Known values: {values}.")))


def _nullable(node: Node) -> Node:
    match node.get("anyOf"):
        case [{"type": str(kind)} as only, {"type": "null"}]:
            rest = {key: value for key, value in node.items() if key != "anyOf"}
            return {**only, **rest, "type": [kind, "null"]}
    return node


def _write(document: Node, service: str, file: Path) -> None:
    header = (
        f'"""Models of the {service} API; `make client` generates this file from its OpenAPI document."""'
    )
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "openapi.json"
        source.write_text(json.dumps(document), encoding="utf-8")
        command = [str(Path(sys.executable).with_name("datamodel-codegen")), *_OPTIONS]
        subprocess.run(
            [*command, f"--custom-file-header={header}", "--input", str(source), "--output", str(file)],
            check=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=MODELS, help="folder of the modules")
    generate(parser.parse_args().into)
