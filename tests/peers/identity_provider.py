"""A small identity provider (OpenID Connect) on loopback: codes, PKCE, signed ID tokens.

Whoever comes is logged in at once, as the person that the test chose.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

CLIENT: Final = ("proxyd", "a secret of the client")


class IdentityProviderServer:
    """What it says of whoever logs in next is in `person`; `claims` overrides the rest."""

    def __init__(self) -> None:
        self.person: dict[str, Any] = {"sub": "1", "preferred_username": "alice"}
        self.claims: dict[str, Any] = {}
        self.signs_with = self._key = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"})
        self._codes: dict[str, dict[str, str]] = {}
        provider = self

        class Asked(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider._get(self)

            def do_POST(self) -> None:
                provider._post(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _get(self, asked: BaseHTTPRequestHandler) -> None:
        url = urlsplit(asked.path)
        if url.path == "/authorize":
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            code = secrets.token_urlsafe(16)
            self._codes[code] = query
            back = urlencode({"code": code, "state": query["state"]})
            asked.send_response(302)
            asked.send_header("Location", f"{query['redirect_uri']}?{back}")
            asked.end_headers()
            return
        documents: dict[str, Any] = {
            "/.well-known/openid-configuration": {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            },
            "/keys": {"keys": [self._key.as_dict(private=False)]},
        }
        _answer(asked, documents.get(url.path))

    def _post(self, asked: BaseHTTPRequestHandler) -> None:
        length = int(asked.headers["content-length"])
        form = {
            name: value[0]
            for name, value in parse_qs(asked.rfile.read(length).decode()).items()
        }
        expected = base64.b64encode(":".join(CLIENT).encode()).decode()
        begun = self._codes.pop(form.get("code", ""), None)
        hashed = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(hashed).decode().rstrip("=")
        is_right = (
            begun is not None
            and asked.headers["authorization"] == f"Basic {expected}"
            and begun["code_challenge"] == challenge
            and begun["redirect_uri"] == form["redirect_uri"]
        )
        if begun is None or not is_right:
            _answer(asked, None)
            return
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": begun["client_id"],
            "iat": now,
            "exp": now + 60,
            "nonce": begun["nonce"],
            **self.person,
            **self.claims,
        }
        token = jwt.encode({"alg": "ES256", "kid": "k1"}, claims, self.signs_with)
        _answer(asked, {"id_token": token, "access_token": "x", "token_type": "Bearer"})


def _answer(asked: BaseHTTPRequestHandler, document: dict[str, Any] | None) -> None:
    body = json.dumps(document or {"error": "invalid_grant"}).encode()
    asked.send_response(200 if document else 400)
    asked.send_header("Content-Type", "application/json")
    asked.send_header("Content-Length", str(len(body)))
    asked.end_headers()
    asked.wfile.write(body)


@pytest.fixture(scope="module")
def identity_provider() -> Iterator[IdentityProviderServer]:
    """One a module."""
    server = IdentityProviderServer()
    yield server
    server.stop()
