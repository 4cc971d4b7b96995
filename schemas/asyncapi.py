"""Builds the AsyncAPI 3 document: which service writes and reads which events on which topics."""

from typing import Any

from pydantic.json_schema import models_json_schema

from schemas import topics
from schemas.envelope import CONTENT_TYPE, EVENTS

_CARRIES = {
    topics.SESSION_RATED: ("alliance.session-rated.v1", "alliance.heartbeat-sent.v1"),
    topics.SESSION_HISTORY_RATED: ("alliance.session-rated.v1",),
    topics.ASSESSED: ("alliance.assessed.v1", "alliance.measure-stored.v1"),
    topics.EPISODE_CHANGED: (
        "alliance.episode-changed.v1",
        "alliance.client-renamed.v1",
        "alliance.heartbeat-sent.v1",
    ),
    topics.THERAPIST_RESPONDED: ("alliance.therapist-responded.v1",),
    topics.REJECTED: ("alliance.rejected.v1",),
}
"""The events on each topic. Heartbeats share the topics of the ratings and episodes whose flow they check."""

_KEYED_BY_DYAD = {"pattern": "^[0-9a-f]{32}$", "description": "The dyad's keyed hash."}
_KEYS = {
    "alliance.session-rated.v1": _KEYED_BY_DYAD,
    "alliance.assessed.v1": _KEYED_BY_DYAD,
    "alliance.measure-stored.v1": _KEYED_BY_DYAD,
    "alliance.episode-changed.v1": _KEYED_BY_DYAD,
    "alliance.therapist-responded.v1": _KEYED_BY_DYAD,
    "alliance.client-renamed.v1": {"description": "It concerns every dyad of a client, in any partition."},
    "alliance.rejected.v1": {"description": "The key of the rejected record, whatever it is."},
    "alliance.heartbeat-sent.v1": {"description": "A heartbeat belongs to a partition, not to a dyad."},
}

_ALWAYS = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data")


def asyncapi() -> dict[str, Any]:
    """Return the document; every `$ref` in it points into itself."""
    _, schemas = models_json_schema(
        [(event, "validation") for event in EVENTS.values()], ref_template="#/components/schemas/{model}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Rapport",
            "version": "1",
            "description": "Ratings of therapy sessions, and assessments and episodes of the alliance. "
            "Every record is a CloudEvent in structured mode. All records of a dyad have the same key, a "
            "keyed hash, and stay in order. Producers must partition by murmur2.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE.decode(),
        "channels": {topic.name: _channel(topic) for topic in topics.ALL},
        "operations": {
            name: operation for topic in topics.ALL for name, operation in _operations(topic).items()
        },
        "components": {
            "messages": {kind: _message(kind) for kind in EVENTS},
            "schemas": {name: required_envelope(schema) for name, schema in sorted(schemas["$defs"].items())},
        },
    }


def required_envelope(schema: dict[str, Any]) -> dict[str, Any]:
    """Return an event's schema with all attributes required that every published event has.

    The models give the constant attributes a default, and JSON Schema does not require what has a default.
    """
    if "specversion" not in schema.get("properties", {}):
        return schema
    return {**schema, "required": [name for name in _ALWAYS if name in schema["properties"]]}


def _channel(topic: topics.Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "messages": {kind: {"$ref": f"#/components/messages/{kind}"} for kind in _CARRIES[topic]},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": topic.retention_ms},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operations(topic: topics.Topic) -> dict[str, Any]:
    return {
        f"{service}.{action}.{topic.name}": {
            "action": action,
            "channel": {"$ref": f"#/channels/{topic.name}"},
            "messages": [{"$ref": f"#/channels/{topic.name}/messages/{kind}"} for kind in _CARRIES[topic]],
        }
        for action, services in (("send", topic.written_by), ("receive", topic.read_by))
        for service in services
    }


def _message(kind: str) -> dict[str, Any]:
    event = EVENTS[kind]
    return {
        "name": kind,
        "title": event.model_fields["data"].annotation.__name__,  # type: ignore[union-attr]
        "summary": event.__doc__,
        "contentType": CONTENT_TYPE.decode(),
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        "bindings": {"kafka": {"key": {"type": "string", **_KEYS.get(kind, {})}, "bindingVersion": "0.5.0"}},
    }
