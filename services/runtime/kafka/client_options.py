"""Builds the connection and security options of every Kafka client from the settings."""

import ssl
from pathlib import Path
from typing import Any

from services.runtime.kafka.oauth_token import token_provider
from services.runtime.process.errors import Halt
from services.runtime.process.settings import KafkaSettings, read_secret

EMBEDDED_PARTITIONS = 4
"""The number of partitions that the embedded broker gives every topic on first use; it cannot be changed."""


def client_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Return the options of every aiokafka client: servers, client id and security.

    They contain the password and must never be logged. Password and certificates are read now, so a new
    client uses rotated ones.

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
        options |= _sign_in(kafka)
    elif kafka.sasl_mechanism is not None:
        raise Halt(
            f"KAFKA_SASL_MECHANISM has no effect with {kafka.security_protocol}: set KAFKA_SECURITY_PROTOCOL"
            " to SASL_SSL, or leave the mechanism out"
        )
    return options


def _ssl_context(kafka: KafkaSettings) -> ssl.SSLContext | None:
    if not kafka.security_protocol.endswith("SSL"):
        if kafka.ssl_certificate_file is not None:
            raise Halt(f"KAFKA_SSL_CERTIFICATE_FILE needs SSL or SASL_SSL, not {kafka.security_protocol}")
        return None
    try:
        context = ssl.create_default_context(
            cafile=None if kafka.ssl_ca_file is None else str(kafka.ssl_ca_file)
        )
    except (OSError, ssl.SSLError) as error:
        raise Halt(f"cannot use KAFKA_SSL_CA_FILE {kafka.ssl_ca_file} ({type(error).__name__})") from None
    if kafka.ssl_certificate_file is not None:
        _show_certificate(context, kafka, kafka.ssl_certificate_file)
    elif kafka.ssl_key_file is not None:
        raise Halt("KAFKA_SSL_KEY_FILE needs KAFKA_SSL_CERTIFICATE_FILE, the certificate of the key")
    return context


def _show_certificate(context: ssl.SSLContext, kafka: KafkaSettings, certificate: Path) -> None:
    # Without a password of ours, OpenSSL would ask for one on the terminal.
    file = kafka.ssl_key_password_file
    password = "" if file is None else read_secret(file).get_secret_value()
    try:
        context.load_cert_chain(certificate, kafka.ssl_key_file, password=lambda: password)
    except (OSError, ssl.SSLError) as error:
        key = kafka.ssl_key_file or certificate
        raise Halt(
            f"cannot use KAFKA_SSL_CERTIFICATE_FILE {certificate} with the key in {key}"
            f" ({type(error).__name__}): both are PEM and belong together; KAFKA_SSL_KEY_PASSWORD_FILE names"
            " the password of an encrypted key"
        ) from None


def _sign_in(kafka: KafkaSettings) -> dict[str, Any]:
    if kafka.sasl_mechanism == "OAUTHBEARER":
        return {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": token_provider(kafka)}
    if kafka.sasl_mechanism is None or not kafka.sasl_username or kafka.sasl_password_file is None:
        raise Halt(
            f"{kafka.security_protocol} needs KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and "
            "KAFKA_SASL_PASSWORD_FILE"
        )
    return {
        "sasl_mechanism": kafka.sasl_mechanism,
        "sasl_plain_username": kafka.sasl_username,
        "sasl_plain_password": read_secret(kafka.sasl_password_file).get_secret_value(),
    }
