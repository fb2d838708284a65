"""Logging in at an identity provider: OpenID Connect, authorization code with PKCE.

What was begun travels in the browser, with a MAC, so that any control node may finish it.
The provider says who somebody is; whether he may come in says our own table of users.
"""

import datetime as dt
import hmac
import json
import secrets
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.orm import Session

from config.errors import ConfigError
from config.model import OIDCSettings, Settings
from config.redacted import Redacted
from config.secret import find_secret
from control.errors import DeniedError, UnreachableError
from control.log_in import Known, known
from control.vault import Vault
from recorder.ports import Clock
from storage.account_tables import IdentityRow
from storage.tables import UserRow

Json = dict[str, Any]

_PURPOSE: Final = b"proxyd log-in begun at a provider v1\x00"
_GOOD_FOR: Final = dt.timedelta(minutes=10)
_DISCOVERED_FOR_S: Final = 300
_DISCOVERY: Final = "/.well-known/openid-configuration"
_LEEWAY_S: Final = 60
_ALGORITHMS: Final = ["RS256", "ES256", "PS256", "EdDSA"]
_MANY_FACTORS: Final = frozenset({"mfa", "otp", "hwk", "fpt", "face", "sc"})
"""RFC 8176: what says that there was more than a password."""
_MAX_ANSWER_BYTES: Final = 512 * 1024
CLIENT_SECRET: Final = "oidc-client-secret"  # noqa: S105 - the name of one
"""What systemd calls it."""
_REFUSED: Final = "the identity provider's answer is not right: log in again"


class Begun(Struct, frozen=True, kw_only=True):
    """A log-in on its way: where the browser goes, and what it must bring back."""

    address: str
    cookie: str


class Vouched(Struct, frozen=True, kw_only=True):
    """Who somebody is, as the provider says."""

    subject: str
    username: str
    second_factor: bool
    target: str


def provider_of(
    settings: Settings, vault: Vault, clock: Clock, credentials: Path | None
) -> "IdentityProvider | None":
    """Return the provider that the settings name, if they do; raise `ConfigError`."""
    if not settings.oidc.issuer:
        return None
    secret = find_secret(CLIENT_SECRET, settings.oidc.client_secret_file, credentials)
    if secret is None or not settings.oidc.client_id:
        raise ConfigError(
            "oidc.issuer is set: client_id, and client_secret_file or the systemd credential "
            f"{CLIENT_SECRET}, go with it"
        )
    return IdentityProvider(settings.oidc, secret, vault, clock)


class IdentityProvider:
    """One provider. Blocking; may be used from any thread."""

    def __init__(
        self, settings: OIDCSettings, secret: Redacted[str], vault: Vault, clock: Clock
    ) -> None:
        self._settings, self._secret = settings, secret
        self._vault, self._clock = vault, clock
        self._discovered: tuple[int, Json, KeySet] | None = None
        self._turn = threading.Lock()

    @property
    def name(self) -> str:
        """What the button says."""
        return self._settings.name

    @property
    def issuer(self) -> str:
        """Whose word it is."""
        return self._settings.issuer

    def begin(self, redirect_uri: str, target: str, *, anew: bool) -> Begun:
        """Return where to send the browser; `anew`: he must prove himself there once more.

        Raises `UnreachableError`.
        """
        state, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        verifier = secrets.token_urlsafe(48)
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        if anew:
            asked["prompt"] = "login"
        until = (self._clock.now() + _GOOD_FOR).timestamp()
        begun = [state, nonce, verifier, redirect_uri, target, until]
        where = self._known_places()[0]["authorization_endpoint"]
        joined = "&" if "?" in where else "?"
        return Begun(address=f"{where}{joined}{urlencode(asked)}", cookie=self._packed(begun))

    def finish(self, code: str, state: str, cookie: str) -> Vouched:
        """Return who came back; raise `DeniedError` or `UnreachableError`."""
        begun_state, nonce, verifier, redirect_uri, target, until = self._unpacked(cookie)
        is_old = until < self._clock.now().timestamp()
        if is_old or not hmac.compare_digest(
            begun_state.encode(), state.encode(errors="replace")
        ):
            raise DeniedError("this log-in took too long, or was not begun here: begin again")
        places, keys = self._known_places()
        answer = self._post(
            places["token_endpoint"],
            grant_type="authorization_code",
            code=code,
            redirect_uri=redirect_uri,
            code_verifier=verifier,
        )
        claims = self._checked(str(answer.get("id_token", "")), keys, nonce)
        methods = claims.get("amr")
        factors = {str(one) for one in methods} if isinstance(methods, list) else set()
        return Vouched(
            subject=str(claims["sub"]),
            username=str(claims.get(self._settings.username_claim, "")),
            second_factor=bool(_MANY_FACTORS & factors),
            target=target,
        )

    def _checked(self, token: str, keys: KeySet, nonce: str) -> Json:
        client_id = self._settings.client_id
        try:
            decoded = jwt.decode(token, keys, algorithms=_ALGORITHMS)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {"iss": {"value": self.issuer}, "aud": {"value": client_id}},
                {"nonce": nonce, "client_id": client_id},
            )
            claims.validate(now=int(self._clock.now().timestamp()), leeway=_LEEWAY_S)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise DeniedError(_REFUSED) from error
        return dict(claims)

    def _known_places(self) -> tuple[Json, KeySet]:
        with self._turn:
            now_s = self._clock.monotonic_ms() // 1000
            if self._discovered is None or now_s - self._discovered[0] > _DISCOVERED_FOR_S:
                self._discovered = (now_s, *self._discover())
            return self._discovered[1], self._discovered[2]

    def _discover(self) -> tuple[Json, KeySet]:
        places = self._get(self.issuer.rstrip("/") + _DISCOVERY)
        if places.get("issuer") != self.issuer:
            raise UnreachableError(
                f"{self.issuer} calls itself {places.get('issuer')}: correct [oidc] issuer"
            )
        keys: Any = self._get(str(places.get("jwks_uri")))
        try:
            return places, KeySet.import_key_set(keys)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise UnreachableError(f"the keys of {self.issuer} cannot be read") from error

    def _get(self, address: str) -> Json:
        return self._asked("GET", address)

    def _post(self, address: str, **fields: str) -> Json:
        client = (self._settings.client_id, self._secret.reveal())
        return self._asked("POST", address, data=fields, auth=client)

    def _asked(self, method: str, address: str, **more: Any) -> Json:  # noqa: ANN401 - httpx's
        try:
            answer = httpx.request(method, address, timeout=self._settings.timeout_s, **more)
            found = json.loads(answer.content[:_MAX_ANSWER_BYTES])
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise UnreachableError(
                f"the identity provider {self.issuer} cannot be asked: {type(error).__name__}; "
                "see [oidc], and that this node reaches it"
            ) from error
        if answer.is_success and isinstance(found, dict):
            return found
        # A code that was used, or was made up: the provider's words are not for a browser.
        raise DeniedError(_REFUSED)

    def _packed(self, begun: list[object]) -> str:
        plain = urlsafe_b64encode(json.dumps(begun).encode())
        return f"{plain.decode()}.{self._vault.mac(_PURPOSE + plain).hex()}"

    def _unpacked(self, cookie: str) -> tuple[str, str, str, str, str, float]:
        plain, _, mac = cookie.encode(errors="replace").rpartition(b".")
        if not hmac.compare_digest(self._vault.mac(_PURPOSE + plain).hex().encode(), mac):
            raise DeniedError("this log-in was not begun here: begin again")
        state, nonce, verifier, redirect_uri, target, until = json.loads(
            urlsafe_b64decode(plain)
        )
        return state, nonce, verifier, redirect_uri, target, until


def user_of(session: Session, issuer: str, vouched: Vouched, now: dt.datetime) -> Known:
    """Return the user that somebody is here; raise `DeniedError` where he is none.

    Who comes first under a user's name is that user from then on, whatever name the provider
    gives him later; nobody else at that provider can become him.
    """
    link = session.get(IdentityRow, (issuer, vouched.subject))
    if link is None:
        row = session.scalar(select(UserRow).where(UserRow.name == vouched.username))
        if row is not None and _is_linked(session, issuer, row):
            row = None
        if row is not None:
            session.add(
                IdentityRow(
                    issuer=issuer, subject=vouched.subject, user_id=row.id, linked_at=now
                )
            )
    else:
        row = session.get(UserRow, link.user_id)
    if row is None or row.disabled:
        raise DeniedError(
            "the identity provider knows you, and proxyd does not: ask its administrator for "
            "an account of the same name"
        )
    return known(session, row)


def _is_linked(session: Session, issuer: str, row: UserRow) -> bool:
    linked = select(IdentityRow.subject).where(
        IdentityRow.issuer == issuer, IdentityRow.user_id == row.id
    )
    return session.scalar(linked) is not None
