"""Runs a real Kafka node with TLS and SASL listeners beside the plain one, and with access control lists."""

import base64
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
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
from tests.support.certificate_authority import CertificateAuthority

USER = "rapport"
ADMIN = "admin"
"""The user whom no list binds."""
PASSWORD = "a password of tests"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
_SECURITY = "org.apache.kafka.common.security"


@dataclass(frozen=True, slots=True)
class SecuredKafka:
    """A running node and the files that its clients need."""

    node: KafkaNode
    tls_address: str
    certificates_address: str
    """The listener that asks clients for a certificate."""
    sasl_address: str
    authority: CertificateAuthority
    password_file: Path

    @property
    def ca_file(self) -> Path:
        """The certificate to trust."""
        return self.authority.file

    def tls(self) -> Mapping[str, str]:
        """Return the environment variables for TLS without a sign-in."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.tls_address,
            "KAFKA_SECURITY_PROTOCOL": "SSL",
            "KAFKA_SSL_CA_FILE": str(self.ca_file),
        }

    def certificate(self, file: Path) -> Mapping[str, str]:
        """Return the environment variables for a sign-in with the certificate and key in a file."""
        return {
            **self.tls(),
            "KAFKA_BOOTSTRAP_SERVERS": self.certificates_address,
            "KAFKA_SSL_CERTIFICATE_FILE": str(file),
        }

    def sasl(self, mechanism: str, user: str = USER) -> Mapping[str, str]:
        """Return the environment variables for TLS with a sign-in by password."""
        return {
            **self._sasl_tls(mechanism),
            "KAFKA_SASL_USERNAME": user,
            "KAFKA_SASL_PASSWORD_FILE": str(self.password_file),
        }

    def token(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        """Return the environment variables for TLS with a sign-in by token; `settings` say from where."""
        return {**self._sasl_tls("OAUTHBEARER"), **settings}

    def _sasl_tls(self, mechanism: str) -> Mapping[str, str]:
        return {
            **self.tls(),
            "KAFKA_BOOTSTRAP_SERVERS": self.sasl_address,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": mechanism,
        }


def unsecured_token(user: str, *, lives_s: float = 3600) -> str:
    """Return a token without a signature, as the node of these tests takes it (RFC 7515, alg `none`)."""
    now = time.time()
    parts = ({"alg": "none"}, {"sub": user, "iat": now, "exp": now + lives_s})
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
        + "."
    )


@contextmanager
def secured_kafka(*, users: Sequence[str] = (USER,), with_lists: bool = False) -> Iterator[SecuredKafka]:
    """Run a node with a certificate of its own and every way to sign in that the settings allow.

    All `users` have the same password. `with_lists`: what no list allows is refused, except to `ADMIN` and
    to whoever does not sign in.
    """
    with tempfile.TemporaryDirectory(prefix="rapport-kafka-") as name, ExitStack() as last:
        folder = Path(name)
        authority = CertificateAuthority(folder)
        password_file = folder / "password"
        password_file.write_text(PASSWORD)
        ports = (free_port(), free_port(), free_port())
        settings = _settings(authority, ports, (*users, ADMIN))
        if with_lists:
            settings |= {
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": f"User:{ADMIN};User:ANONYMOUS",
            }
        node = KafkaNode(folder / "node", settings=settings)
        node.start()
        last.callback(node.stop)
        if not with_lists:
            _add_user(node.bootstrap)
        tls, certificates, sasl = (f"127.0.0.1:{port}" for port in ports)
        yield SecuredKafka(node, tls, certificates, sasl, authority, password_file)


def _settings(
    authority: CertificateAuthority, ports: tuple[int, int, int], users: Sequence[str]
) -> dict[str, str]:
    names = ("TLS", "CERTIFICATES", "SIGNED_IN")
    own = [f"{name}://127.0.0.1:{port}" for name, port in zip(names, ports, strict=True)]
    doors = ",".join(("PLAINTEXT://127.0.0.1:@port@", *own))
    known = " ".join(f'user_{user}="{PASSWORD}"' for user in users)
    scram = f"{_SECURITY}.scram.ScramLoginModule required;"
    token = f"{_SECURITY}.oauthbearer"
    return {
        "listeners": f"{doors},CONTROLLER://127.0.0.1:@controller_port@",
        "advertised.listeners": doors,
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL,CERTIFICATES:SSL,SIGNED_IN:SASL_SSL"
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(authority.server_file()),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.file),
        "listener.name.certificates.ssl.client.auth": "required",
        "listener.name.certificates.ssl.principal.mapping.rules": "RULE:^CN=([^,]+)$/$1/",
        "sasl.enabled.mechanisms": ",".join(MECHANISMS),
        "listener.name.signed_in.plain.sasl.jaas.config": (
            f"{_SECURITY}.plain.PlainLoginModule required {known};"
        ),
        "listener.name.signed_in.scram-sha-256.sasl.jaas.config": scram,
        "listener.name.signed_in.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.signed_in.oauthbearer.sasl.jaas.config": (
            f'{token}.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="{ADMIN}";'
        ),
    }


def _add_user(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for kind in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        # One request for each mechanism: a request may change a user only once.
        wanted = UserScramCredentialUpsertion(USER, ScramCredentialInfo(kind, 4096), PASSWORD.encode())
        for added in admin.alter_user_scram_credentials([wanted]).values():
            added.result(timeout=15)
