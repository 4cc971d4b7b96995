"""Runs a real Kafka node with TLS and SASL listeners beside the plain one."""

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from deploy.kafka.run import KafkaNode, free_port

USER = "rapport"
PASSWORD = "a password of tests"
_KEYSTORE_PASSWORD = "changeit"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_LOGIN = "org.apache.kafka.common.security"


@dataclass(frozen=True, slots=True)
class SecuredKafka:
    """A running node and the files that its clients need."""

    node: KafkaNode
    tls_address: str
    sasl_address: str
    ca_file: Path
    password_file: Path

    def tls(self) -> Mapping[str, str]:
        """Return the environment variables for TLS without a sign-in."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.tls_address,
            "KAFKA_SECURITY_PROTOCOL": "SSL",
            "KAFKA_SSL_CA_FILE": str(self.ca_file),
        }

    def sasl(self, mechanism: str) -> Mapping[str, str]:
        """Return the environment variables for TLS with a sign-in."""
        return {
            **self.tls(),
            "KAFKA_BOOTSTRAP_SERVERS": self.sasl_address,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": mechanism,
            "KAFKA_SASL_USERNAME": USER,
            "KAFKA_SASL_PASSWORD_FILE": str(self.password_file),
        }


@contextmanager
def secured_kafka() -> Iterator[SecuredKafka]:
    """Run a node with its own certificate, one user, and every sign-in mechanism that the settings allow."""
    with tempfile.TemporaryDirectory(prefix="rapport-kafka-") as name, ExitStack() as last:
        folder = Path(name)
        ca_file = _certificate(folder)
        password_file = folder / "password"
        password_file.write_text(PASSWORD)
        tls, sasl = free_port(), free_port()
        node = KafkaNode(folder / "node", settings=_settings(folder, tls, sasl))
        node.start()
        last.callback(node.stop)
        _add_user(node.bootstrap)
        yield SecuredKafka(node, f"127.0.0.1:{tls}", f"127.0.0.1:{sasl}", ca_file, password_file)


def _certificate(folder: Path) -> Path:
    """Create a self-signed certificate for 127.0.0.1; return the file with the certificate to trust."""
    store = ["-keystore", str(folder / "node.p12"), "-storetype", "PKCS12", "-storepass", _KEYSTORE_PASSWORD]
    subprocess.run(
        ["keytool", "-genkeypair", "-alias", "node", "-keyalg", "RSA", "-keysize", "2048", "-validity", "2",
         "-dname", "CN=127.0.0.1", "-ext", "SAN=IP:127.0.0.1", "-ext", "BC=ca:true", *store],
        check=True, capture_output=True,
    )  # fmt: skip
    done = subprocess.run(
        ["keytool", "-exportcert", "-rfc", "-alias", "node", *store], check=True, capture_output=True
    )
    file = folder / "ca.pem"
    file.write_bytes(done.stdout)
    return file


def _settings(folder: Path, tls: int, sasl: int) -> dict[str, str]:
    plain = f'{_LOGIN}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
    scram = f"{_LOGIN}.scram.ScramLoginModule required;"
    doors = f"PLAINTEXT://127.0.0.1:@port@,TLS://127.0.0.1:{tls},SIGNED_IN://127.0.0.1:{sasl}"
    return {
        "listeners": f"{doors},CONTROLLER://127.0.0.1:@controller_port@",
        "advertised.listeners": doors,
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL,SIGNED_IN:SASL_SSL"
        ),
        "ssl.keystore.location": str(folder / "node.p12"),
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.password": _KEYSTORE_PASSWORD,
        "ssl.key.password": _KEYSTORE_PASSWORD,
        "sasl.enabled.mechanisms": ",".join(MECHANISMS),
        "listener.name.signed_in.plain.sasl.jaas.config": plain,
        "listener.name.signed_in.scram-sha-256.sasl.jaas.config": scram,
        "listener.name.signed_in.scram-sha-512.sasl.jaas.config": scram,
    }


def _add_user(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for kind in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        # One request for each mechanism: a request may change a user only once.
        wanted = UserScramCredentialUpsertion(USER, ScramCredentialInfo(kind, 4096), PASSWORD.encode())
        for added in admin.alter_user_scram_credentials([wanted]).values():
            added.result(timeout=15)
