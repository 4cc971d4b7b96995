"""Builds the connection and security options of every Kafka client from the settings."""

import ssl
from typing import Any

from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from services.runtime.process.errors import Halt
from services.runtime.process.settings import KafkaSettings, read_secret

EMBEDDED_PARTITIONS = 4
"""The number of partitions that the embedded broker gives every topic on first use; it cannot be changed."""


def client_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Return the options of every aiokafka client: servers, client id and security.

    They contain the password and must never be logged. Password and CA file are read now, so a restart uses
    rotated ones.

    Raises:
        Halt: settings contradict one another, or a file cannot be used.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap_servers,
        "client_id": kafka.client_id,
        "security_protocol": kafka.security_protocol,
    }
    context = _ssl_context(kafka)
    if context is not None:
        options["ssl_context"] = context
    if kafka.security_protocol.startswith("SASL_"):
        username, password = _credentials(kafka)
        options |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": username,
            "sasl_plain_password": password,
        }
    return options


def framework_security(kafka: KafkaSettings) -> BaseSecurity:
    """Return the same security options as FastStream's broker takes them.

    Raises:
        Halt: settings contradict one another, or a file cannot be used.
    """
    context = _ssl_context(kafka)
    if not kafka.security_protocol.startswith("SASL_"):
        return BaseSecurity(ssl_context=context, use_ssl=context is not None)
    username, password = _credentials(kafka)
    kinds = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    kind = kinds[kafka.sasl_mechanism or "PLAIN"]
    return kind(username=username, password=password, ssl_context=context, use_ssl=context is not None)


def _ssl_context(kafka: KafkaSettings) -> ssl.SSLContext | None:
    if not kafka.security_protocol.endswith("SSL"):
        return None
    try:
        return ssl.create_default_context(
            cafile=None if kafka.ssl_ca_file is None else str(kafka.ssl_ca_file)
        )
    except (OSError, ssl.SSLError) as error:
        raise Halt(f"cannot use KAFKA_SSL_CA_FILE {kafka.ssl_ca_file} ({type(error).__name__})") from None


def _credentials(kafka: KafkaSettings) -> tuple[str, str]:
    if kafka.sasl_mechanism is None or not kafka.sasl_username or kafka.sasl_password_file is None:
        raise Halt(
            f"{kafka.security_protocol} needs KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and "
            "KAFKA_SASL_PASSWORD_FILE"
        )
    return kafka.sasl_username, read_secret(kafka.sasl_password_file).get_secret_value()
