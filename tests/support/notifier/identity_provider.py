"""Runs a real identity provider as a process; it holds us to PKCE, and its codes can be made to expire."""

import base64
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.support.ports import free_port
from tests.support.service_stack import wait_until

REDIRECT_URIS = [
    f"http://rapport.example/sign-in/with/{practice}/callback" for practice in ("north", "south")
]


@dataclass(frozen=True)
class IdentityProvider:
    """A running provider, and the client that is registered there."""

    issuer: str
    client_id: str
    client_secret: str

    def set_user(self, subject: str, claims: Mapping[str, object]) -> None:
        """Store what the provider says about a user."""
        httpx.put(f"{self.issuer}/users/{subject}", json=dict(claims)).raise_for_status()

    def expire_codes(self) -> None:
        """Make every code that was given expire."""
        httpx.post(f"{self.issuer}/expire-codes").raise_for_status()

    def rotate_key(self) -> None:
        """Make it sign with a new key from now on."""
        httpx.post(f"{self.issuer}/rotate-key").raise_for_status()

    async def approve(self, url: str, subject: str, action: str = "authorize") -> str:
        """Sign in there as a person in a browser does; return where the provider sends the browser."""
        async with httpx.AsyncClient() as browser:
            assert (await browser.get(url)).status_code == 200
            answer = await browser.post(url, data={"sub": subject, "action": action})
        assert answer.status_code in {302, 303}
        return answer.headers["location"]


@contextmanager
def running_provider() -> Iterator[IdentityProvider]:
    """Run the provider on a free port until the end of the block."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", __name__, str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        wait_until(lambda: process.poll() is not None or _answers(issuer), "the identity provider", 90)
        assert process.poll() is None, "the identity provider has ended"
        registered = httpx.post(f"{issuer}/oauth2/clients", json={"redirect_uris": REDIRECT_URIS}).json()
        yield IdentityProvider(issuer, registered["client_id"], registered["client_secret"])
    finally:
        process.terminate()
        process.wait(timeout=20)


def _answers(issuer: str) -> bool:
    try:
        return httpx.get(f"{issuer}/.well-known/openid-configuration").status_code == 200
    except httpx.TransportError:
        return False


def _serve(port: int) -> None:
    import flask
    import oidc_provider_mock
    import oidc_provider_mock._app as provider_app

    app: flask.Flask = oidc_provider_mock.app(require_client_registration=True, require_nonce=True)
    challenges: dict[str, str] = {}

    @app.after_request
    def remember(response: flask.Response) -> flask.Response:
        codes = parse_qs(urlsplit(response.headers.get("Location", "")).query).get("code", [])
        if flask.request.args.get("code_challenge_method") == "S256":
            challenges.update(dict.fromkeys(codes, flask.request.args["code_challenge"]))
        return response

    @app.before_request
    def refuse() -> tuple[dict[str, str], int] | None:
        if flask.request.path != "/oauth2/token":
            return None
        verifier = flask.request.form.get("code_verifier", "").encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
        is_right = challenges.get(flask.request.form["code"]) == challenge
        return None if is_right else ({"error": "invalid_request"}, 400)

    @app.post("/expire-codes")
    def expire() -> str:
        flask.g.oidc_provider_mock_storage._authorization_codes.clear()
        return ""

    @app.post("/rotate-key")
    def rotate() -> str:
        storage = flask.g.oidc_provider_mock_storage
        storage.jwk = type(storage.jwk).generate_key(is_private=True)
        return ""

    # Some providers state in the ID token who somebody is, others only at the endpoint for it.
    in_token = provider_app.OpenIDCode.generate_user_info

    def sparse(grant: object, user: oidc_provider_mock.User, scope: str) -> dict[str, object]:
        return {"sub": user.sub} if "only_at_userinfo" in user.claims else in_token(grant, user, scope)

    provider_app.OpenIDCode.generate_user_info = sparse
    app.run(port=port, debug=False)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
