"""Gets the tokens for signing in at Kafka by OAUTHBEARER: from a file, or from a token endpoint."""

import ssl
import time
from functools import lru_cache
from pathlib import Path
from typing import Annotated
from urllib.parse import quote_plus

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError
from pydantic import BaseModel, Field, SecretStr, ValidationError

from services.runtime.process.errors import Halt
from services.runtime.process.log import get_logger
from services.runtime.process.settings import KafkaSettings, read_secret

_ENDPOINT_TIMEOUT_S = 10.0
_RENEW_BEFORE_END_S = 60


@lru_cache(maxsize=4)
def token_provider(kafka: KafkaSettings) -> AbstractTokenProvider:
    """Return what gives each new connection its token; all clients of the same settings share its tokens.

    Raises:
        Halt: settings contradict one another, or a file cannot be used.
    """
    endpoint = kafka.oauth_token_endpoint
    if (kafka.oauth_token_file is None) == (endpoint is None):
        raise Halt("OAUTHBEARER needs either KAFKA_OAUTH_TOKEN_FILE or KAFKA_OAUTH_TOKEN_ENDPOINT")
    if kafka.oauth_token_file is not None:
        read_secret(kafka.oauth_token_file)
        return TokenFile(kafka.oauth_token_file)
    assert endpoint is not None  # noqa: S101 - one of the two is given
    if not kafka.oauth_client_id or kafka.oauth_client_secret_file is None:
        raise Halt(
            "KAFKA_OAUTH_TOKEN_ENDPOINT needs KAFKA_OAUTH_CLIENT_ID and KAFKA_OAUTH_CLIENT_SECRET_FILE"
        )
    read_secret(kafka.oauth_client_secret_file)
    try:
        context = ssl.create_default_context(
            cafile=None if kafka.oauth_ca_file is None else str(kafka.oauth_ca_file)
        )
    except (OSError, ssl.SSLError) as error:
        raise Halt(f"cannot use KAFKA_OAUTH_CA_FILE {kafka.oauth_ca_file} ({type(error).__name__})") from None
    return TokenEndpoint(
        endpoint, kafka.oauth_client_id, kafka.oauth_client_secret_file, kafka.oauth_scope, context
    )


class TokenFile(AbstractTokenProvider):  # type: ignore[misc] # the library has no types
    """Reads the token anew for each connection: whoever writes the file renews it before it ends."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def token(self) -> str:
        """Return the token that the file holds now.

        Raises:
            KafkaConnectionError: the file cannot be read; the client tries again.
        """
        try:
            return read_secret(self._file).get_secret_value()
        except Halt as error:
            get_logger().warning("kafka-token-unavailable", why=str(error))
            raise KafkaConnectionError(str(error)) from error


class TokenEndpoint(AbstractTokenProvider):  # type: ignore[misc] # as above
    """Asks a token endpoint (client credentials grant, RFC 6749, 4.4), and again before a token ends."""

    def __init__(
        self, url: str, client_id: str, secret_file: Path, scope: str | None, context: ssl.SSLContext
    ) -> None:
        self._url = url
        self._client_id = client_id
        self._secret_file = secret_file
        self._form = {"grant_type": "client_credentials"} | ({} if scope is None else {"scope": scope})
        self._context = context
        self._token = ""
        self._renew_at_s = 0.0

    async def token(self) -> str:
        """Return a token that is valid for some time yet.

        Raises:
            KafkaConnectionError: the endpoint is away or refuses; the client tries again.
        """
        if not self._token or time.monotonic() >= self._renew_at_s:
            await self._fetch()
        return self._token

    async def _fetch(self) -> None:
        # Imported only by those who use it: ingest needs no HTTP client otherwise.
        import httpx

        asked_at_s = time.monotonic()
        try:
            secret = read_secret(self._secret_file).get_secret_value()
            # The header has both in the encoding of forms (RFC 6749, 2.3.1).
            credentials = httpx.BasicAuth(quote_plus(self._client_id), quote_plus(secret))
            async with httpx.AsyncClient(verify=self._context, timeout=_ENDPOINT_TIMEOUT_S) as client:
                response = await client.post(self._url, data=self._form, auth=credentials)
            response.raise_for_status()
            found = _Response.model_validate_json(response.content)
        except (httpx.HTTPError, ValidationError, Halt) as error:
            # Neither the secret nor the body of a response is part of what is logged.
            why = type(error).__name__
            if isinstance(error, httpx.HTTPStatusError):
                why = f"status {error.response.status_code}"
            get_logger().warning("kafka-token-unavailable", why=f"{self._url}: {why}")
            raise KafkaConnectionError(f"no token from {self._url} ({why})") from None
        self._token = found.access_token.get_secret_value()
        # Before a token ends, but not at once where tokens live for less than a minute.
        self._renew_at_s = asked_at_s + max(found.expires_in / 2, found.expires_in - _RENEW_BEFORE_END_S)


class _Response(BaseModel):
    access_token: Annotated[SecretStr, Field(min_length=1)]
    expires_in: float = 0
    """Seconds; a token of unknown life is asked for anew each time."""
