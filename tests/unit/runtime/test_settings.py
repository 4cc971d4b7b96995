"""Settings come from the environment and from secret files, and their `repr` shows no secret."""

import traceback
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import ValidationError
from structlog.testing import capture_logs

from services.runtime.kafka.client_options import client_options
from services.runtime.postgres.connect import conninfo
from services.runtime.process.errors import Halt
from services.runtime.process.settings import (
    DatabaseSettings,
    FuseSettings,
    HttpSettings,
    KafkaSettings,
    read_secret,
)
from tests.support.certificate_authority import CertificateAuthority


@pytest.fixture
def password(tmp_path: Path) -> Path:
    """Return a password file that ends with a line break, as editors write it."""
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    return file


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "a:1,b:2")
    monkeypatch.setenv("KAFKA_EMBEDDED", "true")
    monkeypatch.setenv("HTTP_PORT", "8123")
    monkeypatch.setenv("RAPPORT_FUSE_IN_A_ROW", "99")

    assert KafkaSettings().bootstrap_servers == "a:1,b:2"
    assert KafkaSettings().embedded is True
    assert HttpSettings().port == 8123
    assert FuseSettings().in_a_row == 99


@pytest.mark.parametrize(("given", "read"), [("", None), ("detector-0", "detector-0")])
def test_an_empty_name_of_a_replica_is_none(
    given: str, read: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_GROUP_INSTANCE_ID", given)

    assert KafkaSettings().group_instance_id == read


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        KafkaSettings().embedded = True  # type: ignore[misc]


def test_repr_does_not_show_the_database_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:s3cret@h/d")

    assert "s3cret" not in repr(DatabaseSettings.model_validate({}))


def test_a_secret_ends_before_the_line_break(password: Path) -> None:
    assert read_secret(password).get_secret_value() == "s3cret"


def test_a_secret_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(Halt, match="nowhere"):
        read_secret(tmp_path / "nowhere")


def test_an_empty_secret_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")

    with pytest.raises(Halt, match="is empty"):
        read_secret(tmp_path / "empty")


OAUTHBEARER = {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"}


def sasl(password: Path, protocol: str = "SASL_SSL") -> KafkaSettings:
    """Return settings that sign in."""
    return KafkaSettings.model_validate(
        {
            "security_protocol": protocol,
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": "detector",
            "sasl_password_file": password,
        }
    )


def test_the_sign_in_is_part_of_every_clients_options(password: Path) -> None:
    options = client_options(sasl(password))

    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert options["sasl_plain_username"] == "detector"
    assert options["sasl_plain_password"] == "s3cret"
    assert options["ssl_context"].check_hostname is True


def test_without_tls_there_is_no_tls_context(password: Path) -> None:
    assert "ssl_context" not in client_options(sasl(password, "SASL_PLAINTEXT"))


def test_a_changed_password_is_used_at_the_next_start(password: Path) -> None:
    settings = sasl(password)
    client_options(settings)
    password.write_text("other")

    assert client_options(settings)["sasl_plain_password"] == "other"


def test_a_sign_in_without_a_password_is_refused() -> None:
    with pytest.raises(Halt, match="KAFKA_SASL_PASSWORD_FILE"):
        client_options(KafkaSettings(security_protocol="SASL_SSL", sasl_mechanism="PLAIN", sasl_username="u"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"security_protocol": "SSL", "sasl_mechanism": "PLAIN"}, "KAFKA_SASL_MECHANISM has no effect"),
        ({"security_protocol": "SSL", "ssl_key_file": "key"}, "KAFKA_SSL_CERTIFICATE_FILE"),
        ({"ssl_certificate_file": "own"}, "needs SSL or SASL_SSL"),
        ({"security_protocol": "SSL", "ssl_certificate_file": "missing"}, "FileNotFoundError"),
        (OAUTHBEARER, "either KAFKA_OAUTH_TOKEN_FILE or KAFKA_OAUTH_TOKEN_ENDPOINT"),
        ({**OAUTHBEARER, "oauth_token_file": "missing"}, "cannot read the secret file missing"),
        ({**OAUTHBEARER, "oauth_token_endpoint": "https://x"}, "KAFKA_OAUTH_CLIENT_ID"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_what_to_set(settings: dict[str, str], said: str) -> None:
    with pytest.raises(Halt, match=said):
        client_options(KafkaSettings.model_validate(settings))


def test_an_encrypted_key_is_opened_with_the_password_of_its_file(password: Path, tmp_path: Path) -> None:
    own = CertificateAuthority(tmp_path).client_file("ingest", key_password="s3cret")
    settings = {"security_protocol": "SSL", "ssl_certificate_file": own}

    with pytest.raises(Halt, match="KAFKA_SSL_KEY_PASSWORD_FILE"):
        client_options(KafkaSettings.model_validate(settings))

    client_options(KafkaSettings.model_validate({**settings, "ssl_key_password_file": password}))


def test_a_ca_file_that_is_not_a_certificate_is_named(password: Path) -> None:
    with pytest.raises(Halt, match="KAFKA_SSL_CA_FILE"):
        client_options(KafkaSettings(security_protocol="SSL", ssl_ca_file=password))


def test_sslmode_and_password_reach_the_database(password: Path, tmp_path: Path) -> None:
    settings = DatabaseSettings.model_validate(
        {
            "url": "postgresql://u@h/d",
            "password_file": password,
            "sslmode": "verify-full",
            "ssl_ca_file": CertificateAuthority(tmp_path).file,
        }
    )
    given = conninfo_to_dict(conninfo(settings, "detector"))

    assert (given["password"], given["sslmode"], given["application_name"]) == (
        "s3cret",
        "verify-full",
        "detector",
    )


REMOTE = ["postgresql://u@db.example/d", "postgresql://u@127.0.0.1,10.0.0.9/d", "postgresql://u@[fd00::1]/d"]


def database(url: str, **more: object) -> DatabaseSettings:
    """Settings for this address."""
    return DatabaseSettings.model_validate({"url": url, **more})


@pytest.mark.parametrize("url", REMOTE)
def test_a_database_elsewhere_needs_a_word_on_encryption(url: str) -> None:
    with pytest.raises(Halt, match="set DATABASE_SSLMODE to verify-full"):
        conninfo(database(url))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///d",
        "postgresql:///d?host=/var/run/postgresql",
        "postgresql://u@localhost/d",
        "postgresql://u@127.0.0.2,[::1]/d",
    ],
)
def test_a_database_on_this_machine_needs_none(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGHOST", raising=False)
    assert "sslmode" not in conninfo_to_dict(conninfo(database(url)))


@pytest.mark.parametrize("url", REMOTE)
def test_an_encrypted_connection_is_no_news(url: str, tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    with capture_logs() as logs:
        conninfo(database(url, sslmode="verify-full", ssl_ca_file=authority.file))
        conninfo(database(f"{url}?sslmode=require"))
    assert logs == []


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_a_check_without_an_authority_is_refused(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    url = "postgresql://u@db.example/d"
    for settings in (database(url, sslmode=mode), database(f"{url}?sslmode={mode}")):
        with pytest.raises(Halt, match=f"{mode} needs DATABASE_SSL_CA_FILE"):
            conninfo(settings)

    assert "sslrootcert=system" in conninfo(database(f"{url}?sslmode={mode}&sslrootcert=system"))


def test_an_authority_that_is_no_certificate_is_named(password: Path) -> None:
    with pytest.raises(Halt, match="cannot use DATABASE_SSL_CA_FILE"):
        conninfo(database("postgresql://u@db.example/d", sslmode="verify-full", ssl_ca_file=password))


def test_a_connection_that_may_be_in_plain_text_is_said_loudly_and_once() -> None:
    settings = database("postgresql://u:s3cret@plain.example/d", sslmode="disable")
    with capture_logs() as logs:
        conninfo(settings)
        conninfo(settings)
    assert logs == [
        {
            "event": "database-not-encrypted",
            "log_level": "warning",
            "host": "plain.example",
            "sslmode": "disable",
        }
    ]


def test_options_of_the_url_are_kept(password: Path) -> None:
    url = "postgresql://u@127.0.0.1/d?options=-c%20search_path%3Dx"
    given = conninfo_to_dict(conninfo(DatabaseSettings.model_validate({"url": url})))

    assert str(given["options"]).startswith("-c search_path=x -c ")


@pytest.mark.parametrize(
    "url",
    ["postgressql://u:s3cret@h/d", "u:s3cret@h", "postgresql://u:s3cret@[h/d", "postgresql://u:s3cret@h/%zz"],
)
def test_a_mistyped_database_url_is_named_without_its_password(url: str) -> None:
    with pytest.raises(Halt, match="DATABASE_URL") as caught:
        conninfo(DatabaseSettings.model_validate({"url": url}))

    shown = "".join(traceback.format_exception(caught.value))
    assert "s3cret" not in shown
