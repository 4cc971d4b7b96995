"""Signs in at one identity provider: authorization code flow with PKCE, state, nonce and discovery.

The rules of the protocol are Authlib's and joserfc's; the requests go out over httpx.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from services.notifier.openid.pending_sign_in import PendingSignIn
from services.notifier.openid.provider_settings import ProviderSettings, certificates, is_trusted_url
from services.runtime.process.clock import Clock
from services.runtime.process.settings import read_secret

_TIMEOUT_S = 10.0
_METADATA_LASTS_S = 3600.0
_LEEWAY_S = 60
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
"""Signatures that need the provider's private key: neither `none` nor a hash with a shared secret."""
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderAwayError(Exception):
    """The provider could not be reached, or gave an answer that cannot be used; `args` name no person."""


class NotSignedInError(Exception):
    """The provider's answer does not belong to this sign-in; `args` say why and name no person."""


class OpenIdProvider:
    """One practice's identity provider."""

    def __init__(self, settings: ProviderSettings, redirect_uri: str, clock: Clock) -> None:
        self.settings = settings
        self._redirect_uri = redirect_uri
        self._clock = clock
        secret = settings.client_secret_file
        self._secret = read_secret(secret) if secret else None
        self._certificates = certificates(settings)
        self._metadata: Mapping[str, Any] = {}
        self._read_at = 0.0
        self._keys: KeySet | None = None

    async def authorization_url(self, pending: PendingSignIn) -> str:
        """Return the provider's address to which the browser is sent.

        Raises:
            ProviderAwayError: the provider's metadata cannot be read.
        """
        metadata = await self._discover()
        return str(
            prepare_grant_uri(
                metadata["authorization_endpoint"],
                client_id=self.settings.client_id,
                response_type="code",
                redirect_uri=self._redirect_uri,
                scope=self.settings.scope,
                state=pending.state,
                nonce=pending.nonce,
                code_challenge=create_s256_code_challenge(pending.verifier),
                code_challenge_method="S256",
            )
        )

    async def claims(self, code: str, pending: PendingSignIn) -> Mapping[str, Any]:
        """Return what the provider says about who signed in, in exchange for the code that it gave.

        Raises:
            ProviderAwayError: the provider cannot be reached, or refuses us as a client.
            NotSignedInError: the code was used or has expired, or the token is not for this sign-in.
        """
        metadata = await self._discover()
        answer = await self._exchange(metadata, code, pending)
        token, access = answer.get("id_token"), answer.get("access_token")
        if not isinstance(token, str):
            raise ProviderAwayError("no id_token")
        claims = await self._verify(token, access, pending)
        wanted, endpoint = self.settings.claim, metadata.get("userinfo_endpoint")
        if wanted in claims or not is_trusted_url(endpoint) or not isinstance(access, str):
            return claims
        more = await self._request("GET", str(endpoint), headers={"Authorization": f"Bearer {access}"})
        if more.get("sub") != claims["sub"]:
            raise NotSignedInError("userinfo is about somebody else")
        return {**more, **claims}

    async def _discover(self) -> Mapping[str, Any]:
        now = self._clock.monotonic()
        if not self._metadata or now - self._read_at > _METADATA_LASTS_S:
            issuer = self.settings.issuer
            metadata = await self._request("GET", get_well_known_url(issuer, external=True))
            if metadata.get("issuer") != issuer:
                raise ProviderAwayError("the provider names itself otherwise than `issuer`")
            for name in _ENDPOINTS:
                if not is_trusted_url(metadata.get(name)):
                    raise ProviderAwayError(f"{name} is missing or not https")
            self._metadata, self._read_at, self._keys = metadata, now, None
        return self._metadata

    async def _exchange(
        self, metadata: Mapping[str, Any], code: str, pending: PendingSignIn
    ) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": pending.verifier,
        }
        client_id, auth = self.settings.client_id, None
        if self._secret is None:
            form["client_id"] = client_id
        elif "client_secret_basic" in metadata.get(
            "token_endpoint_auth_methods_supported", ["client_secret_basic"]
        ):
            auth = httpx.BasicAuth(quote(client_id, safe=""), quote(self._secret.get_secret_value(), safe=""))
        else:
            form |= {"client_id": client_id, "client_secret": self._secret.get_secret_value()}
        return await self._request("POST", metadata["token_endpoint"], data=form, auth=auth)

    async def _verify(self, token: str, access: object, pending: PendingSignIn) -> Mapping[str, Any]:
        registry = JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)
        try:
            known = self._keys is not None
            try:
                decoded = jwt.decode(token, await self._key_set(), registry=registry)
            except (InvalidKeyIdError, BadSignatureError):
                if not known:
                    raise
                # The provider may sign with a newer key than those that were read earlier.
                self._keys = None
                decoded = jwt.decode(token, await self._key_set(), registry=registry)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": self.settings.issuer},
                    "aud": {"essential": True, "value": self.settings.client_id},
                },
                {"nonce": pending.nonce, "client_id": self.settings.client_id, "access_token": access},
            )
            claims.validate(now=int(self._clock.now().timestamp()), leeway=_LEEWAY_S)
        except (JoseError, ValueError) as error:
            raise NotSignedInError(f"the token is not valid ({type(error).__name__})") from None
        return dict(claims)

    async def _key_set(self) -> KeySet:
        if self._keys is None:
            keys = await self._request("GET", self._metadata["jwks_uri"])
            self._keys = KeySet.import_key_set({"keys": keys.get("keys", [])})
        return self._keys

    async def _request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        auth: httpx.BasicAuth | None = None,
    ) -> Mapping[str, Any]:
        head = {"Accept": "application/json", **(headers or {})}
        try:
            async with httpx.AsyncClient(
                timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False, verify=self._certificates
            ) as client:
                response = await client.request(method, url, headers=head, data=data, auth=auth)
            answer = response.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, UnicodeError) as error:
            raise ProviderAwayError(type(error).__name__) from None
        if not isinstance(answer, dict):
            raise ProviderAwayError("the answer is not an object")
        if response.status_code != 200:
            if answer.get("error") == "invalid_grant":
                raise NotSignedInError("the code was used or has expired")
            raise ProviderAwayError(f"status {response.status_code}{_error_code(answer)}")
        return answer


def _error_code(answer: Mapping[str, Any]) -> str:
    """Return the error's code of RFC 6749; its description may contain anything and is left out."""
    code = answer.get("error")
    return f" {code}" if isinstance(code, str) and code.replace("_", "").isalpha() and len(code) < 50 else ""
