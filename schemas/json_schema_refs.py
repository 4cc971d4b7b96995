"""Resolves references and unions in a JSON Schema into plain schemas of one type each."""

from typing import Any

Schema = dict[str, Any]


def resolve(schema: Schema, root: Schema) -> Schema:
    """Return the schema with its `$ref` into `root` replaced by the target, its other keywords kept."""
    while "$ref" in schema:
        target: Any = root
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            target = target[part]
        schema = {**target, **{name: value for name, value in schema.items() if name != "$ref"}}
    return schema


def alternatives(schema: Schema, root: Schema) -> list[Schema]:
    """Return the plain schemas, each of at most one type, of which a value must satisfy one."""
    schema = resolve(schema, root)
    for join in ("anyOf", "oneOf"):
        if join in schema:
            beside = {name: value for name, value in schema.items() if name != join}
            return [each for option in schema[join] for each in alternatives({**beside, **option}, root)]
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": kind} for kind in schema["type"]]
    if "type" not in schema and "const" in schema:
        return [{**schema, "type": _TYPES[type(schema["const"])]}]
    if "type" not in schema and "enum" in schema:
        kinds = sorted({_TYPES[type(value)] for value in schema["enum"]})
        return [
            {
                **schema,
                "type": kind,
                "enum": [value for value in schema["enum"] if _TYPES[type(value)] == kind],
            }
            for kind in kinds
        ]
    return [schema]


_TYPES = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
    list: "array",
    dict: "object",
}
