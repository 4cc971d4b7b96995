"""Tokens come from a file that is read anew, or from an endpoint that is asked again before they end."""

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from aiokafka.errors import KafkaConnectionError

from services.runtime.kafka.oauth_token import token_provider
from services.runtime.process.settings import KafkaSettings
from tests.support.certificate_authority import CertificateAuthority


class Endpoint(HTTPServer):
    """A token endpoint over TLS that counts the tokens it gives."""

    status = 200
    lives_s = 3600.0
    given = 0
    form: dict[str, list[str]]
    authorization: str = ""


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        self.server.form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.authorization = self.headers["Authorization"]
        self.server.given += 1
        self.send_response(self.server.status)
        self.end_headers()
        token = f'{{"access_token": "token-{self.server.given}", "expires_in": {self.server.lives_s}}}'
        self.wfile.write(token.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def running(authority: CertificateAuthority) -> Iterator[Endpoint]:
    """Run the endpoint on a free port."""
    server = Endpoint(("127.0.0.1", 0), _Handler)
    server.socket = authority.server().wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    """The authority of the endpoint."""
    return CertificateAuthority(tmp_path)


@pytest.fixture
def endpoint(authority: CertificateAuthority) -> Iterator[Endpoint]:
    """A running token endpoint."""
    with running(authority) as server:
        yield server


def settings(endpoint: Endpoint, ca_file: Path, folder: Path) -> KafkaSettings:
    """Return settings that lead to the endpoint."""
    (folder / "secret").write_text("a secret: 100%\n")
    return KafkaSettings(
        security_protocol="SASL_SSL",
        sasl_mechanism="OAUTHBEARER",
        oauth_token_endpoint=f"https://127.0.0.1:{endpoint.server_port}/token",
        oauth_client_id="ingest",
        oauth_client_secret_file=folder / "secret",
        oauth_scope="kafka",
        oauth_ca_file=ca_file,
    )


async def test_the_endpoint_is_asked_for_the_clients_own_credentials(
    endpoint: Endpoint, authority: CertificateAuthority, tmp_path: Path
) -> None:
    provider = token_provider(settings(endpoint, authority.file, tmp_path))

    assert await provider.token() == "token-1"
    assert await provider.token() == "token-1"
    assert endpoint.form == {"grant_type": ["client_credentials"], "scope": ["kafka"]}
    expected = base64.b64encode(b"ingest:a+secret%3A+100%25").decode()
    assert endpoint.authorization == f"Basic {expected}"


async def test_a_token_that_ends_is_replaced(
    endpoint: Endpoint, authority: CertificateAuthority, tmp_path: Path
) -> None:
    endpoint.lives_s = 0
    provider = token_provider(settings(endpoint, authority.file, tmp_path))

    assert [await provider.token(), await provider.token()] == ["token-1", "token-2"]


async def test_a_refusal_is_said_without_the_secret(
    endpoint: Endpoint, authority: CertificateAuthority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.status = 401
    provider = token_provider(settings(endpoint, authority.file, tmp_path))

    with pytest.raises(KafkaConnectionError, match="status 401"):
        await provider.token()
    assert "100%" not in "".join(capsys.readouterr())


async def test_an_endpoint_of_another_authority_gets_no_secret(endpoint: Endpoint, tmp_path: Path) -> None:
    provider = token_provider(settings(endpoint, CertificateAuthority(tmp_path).file, tmp_path))

    with pytest.raises(KafkaConnectionError, match="ConnectError"):
        await provider.token()
    assert endpoint.given == 0


async def test_a_token_file_is_read_for_each_connection(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    provider = token_provider(
        KafkaSettings(security_protocol="SASL_SSL", sasl_mechanism="OAUTHBEARER", oauth_token_file=file)
    )
    first = await provider.token()
    file.write_text("second\n")
    second = await provider.token()
    file.unlink()

    assert (first, second) == ("first", "second")
    with pytest.raises(KafkaConnectionError, match="cannot read the secret file"):
        await provider.token()
