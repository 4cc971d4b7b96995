"""Finds what in the current contracts breaks those who rely on earlier ones, one sentence for each change.

Readers of today must be able to read what is written tomorrow, and what was written before must stay
readable. A change that cannot meet this becomes a new version of the type beside the old one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from schemas.export import Document
from schemas.json_schema_refs import alternatives

_LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EXACT = ("pattern", "format", "multipleOf", "const", "uniqueItems")


class SchemaUse(Enum):
    """Says who writes and who reads the documents of a schema."""

    RECEIVED = "received"
    """Others write them and we read them: we may require less than before, never more."""
    PUBLISHED = "published"
    """We write them, others read them, and we read what was written before: no field may go, and no new type
    of value may appear. Bounds may widen and enumerations may grow, if readers are updated before writers."""


def breaking_changes(earlier: Mapping[str, Document], current: Mapping[str, Document]) -> list[str]:
    """Return what in `current` breaks those who rely on `earlier`; both by path, as `documents` returns them.

    OpenAPI documents are not compared: the bodies in them are the schemas that are compared here.
    """
    found: list[str] = []
    for name, old in earlier.items():
        if not (name.startswith("events/") or name in {"rating.v1.json", "asyncapi.json"}):
            continue
        new = current.get(name)
        if new is None:
            found.append(f"{name}: is no longer published; keep it, and add a new version beside it")
        elif name == "asyncapi.json":
            found += _topic_changes(name, old, new)
        else:
            use = SchemaUse.PUBLISHED if name.startswith("events/") else SchemaUse.RECEIVED
            found += [f"{name}: {change}" for change in schema_changes(old, new, use)]
    return found


def schema_changes(old: Document, new: Document, use: SchemaUse) -> list[str]:
    """Return what in the JSON Schema `new` breaks those who rely on `old`.

    >>> old = {"type": "object", "properties": {"note": {"type": "string"}}}
    >>> schema_changes(old, {"type": "object", "properties": {}}, SchemaUse.PUBLISHED)
    ['note is gone']
    """
    return list(_Comparison(old, new, use).compare(old, new, ""))


def _topic_changes(name: str, old: Document, new: Document) -> Iterator[str]:
    for address, channel in old["channels"].items():
        now = new["channels"].get(address)
        if now is None:
            yield f"{name}: topic {address} is gone; keep it until nobody reads it"
            continue
        before, after = (each["bindings"]["kafka"]["partitions"] for each in (channel, now))
        if before != after:
            yield f"{name}: topic {address} has {after} partitions, was {before}: keys would move"
        for message in channel["messages"]:
            if message not in now["messages"]:
                yield f"{name}: topic {address} no longer carries {message}"


@dataclass(frozen=True, slots=True)
class _Comparison:
    old_root: Document
    new_root: Document
    use: SchemaUse

    def compare(self, old: Document, new: Document, place: str) -> Iterator[str]:
        olds = alternatives(old, self.old_root)
        news = alternatives(new, self.new_root)
        for each in olds:
            yield from self._still_taken(each, news, place)
        if self.use is SchemaUse.PUBLISHED:
            kinds = {_kind(each) for each in olds}
            for each in news:
                if _kind(each) not in kinds and "anything" not in kinds:
                    yield f"{_at(place)} may now be {_kind(each)}: who reads today does not expect it"

    def _still_taken(self, old: Document, news: list[Document], place: str) -> Iterator[str]:
        same = [new for new in news if _kind(new) in {_kind(old), "anything"}]
        if _kind(old) == "integer":
            same += [new for new in news if _kind(new) == "number"]
        if not same:
            yield f"{_at(place)} may no longer be {_kind(old)}"
            return
        found = [list(self._narrower(old, new, place)) for new in same]
        yield from min(found, key=len)

    def _narrower(self, old: Document, new: Document, place: str) -> Iterator[str]:
        yield from self._bounds(old, new, place)
        yield from self._values(old, new, place)
        yield from self._fields(old, new, place)
        if isinstance(new.get("items"), dict):
            yield from self.compare(old.get("items", {}), new["items"], f"{place}[]")
        if isinstance(new.get("propertyNames"), dict):
            yield from self.compare(old.get("propertyNames", {}), new["propertyNames"], f"{place}{{name}}")

    def _bounds(self, old: Document, new: Document, place: str) -> Iterator[str]:
        for names, narrower in ((_LOWER_BOUNDS, 1), (_UPPER_BOUNDS, -1)):
            for name in names:
                if name in new and (name not in old or (new[name] - old[name]) * narrower > 0):
                    yield f"{_at(place)} has {name} {new[name]}, was {old.get(name, 'not bounded')}"
        for name in _EXACT:
            if name in new and new[name] != old.get(name):
                yield f"{_at(place)} has another {name}"

    def _values(self, old: Document, new: Document, place: str) -> Iterator[str]:
        if "enum" not in new:
            return
        if "enum" not in old and "const" not in old:
            yield f"{_at(place)} takes only a list of values, was free"
            return
        for value in old.get("enum", [old.get("const")]):
            if value not in new["enum"]:
                yield f"{_at(place)} may no longer be {value!r}"

    def _fields(self, old: Document, new: Document, place: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in before:
            if name not in after:
                yield f"{_at(_in(place, name))} is gone"
            else:
                yield from self.compare(before[name], after[name], _in(place, name))
        was, now = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(now - was):
            yield f"{_at(_in(place, name))} is required now: what was written before has none"
        if self.use is SchemaUse.PUBLISHED:
            for name in sorted((was - now) & set(after)):
                yield f"{_at(_in(place, name))} may now be absent: who reads today relies on it"
        yield from self._others(old, new, place)

    def _others(self, old: Document, new: Document, place: str) -> Iterator[str]:
        before, after = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if after is False and before is not False:
            yield f"{_at(place)} no longer takes fields it does not know"
        elif isinstance(after, dict):
            free: Document = {} if isinstance(before, bool) else before
            yield from self.compare(free, after, f"{place}{{}}")


def _kind(schema: Document) -> str:
    if "type" in schema:
        return str(schema["type"])
    return "anything"


def _in(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _at(place: str) -> str:
    return place or "the document"
