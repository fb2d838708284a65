"""Dials the target: checks its host key, then logs on with the real credential.

INVARIANT: the credential is not offered before the host key is accepted and pinned.
INVARIANT: no error text holds any part of the credential.
INVARIANT: once the login has succeeded or failed, nothing here holds the credential.
"""

import asyncio
import copy
import functools
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import asyncssh
from asyncssh.saslprep import saslprep

from bus.contract import HostKeyPolicy, TargetCredential
from protocols.errors import CredentialRefusedError, TargetUnreachableError
from protocols.ssh import algorithms
from recorder.session_info import Target

_Leg = TypeVar("_Leg")
Pin = Callable[[str], Awaitable[tuple[str, ...]]]
"""Offers the key seen on first use; returns the keys that hold from now on."""

_HOST_KEY_ALGORITHMS: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
_PASSWORD_TRIES: Final = 2
"""keyboard-interactive and password; never the same wrong password over and over."""
_CHALLENGES: Final = 8
"""keyboard-interactive may ask on and on, which costs us time before anything is recorded."""
_REPEATED_CHARACTERS: Final = 200
"""How much of the target's own words goes into a message."""
_BAD_KEY: Final = (
    "the stored private key cannot be read; replace it with `proxyd secret edit {secret}`"
)


class HostKeys:
    """The host keys of one target: which are accepted, which one came.

    They are part of the secret `secret_name`, which messages to operators name.
    """

    def __init__(
        self,
        policy: HostKeyPolicy,
        accepted: tuple[str, ...],
        pin: Pin,
        *,
        secret_name: str,
    ) -> None:
        self._policy, self._pin = policy, pin
        self.accepted = accepted
        self.secret_name = secret_name
        self.came: asyncssh.SSHKey | None = None
        self._settled = False

    @property
    def any(self) -> bool:
        """Whether whatever comes is accepted, now or to be pinned."""
        tofu = self._policy is HostKeyPolicy.TOFU and not self.accepted
        return self._policy is HostKeyPolicy.ANY or tofu

    def algorithms(self) -> list[str]:
        """Return what to ask for: the kinds of the accepted keys first."""
        kinds = {line.split()[0] for line in self.accepted}
        known = [name for name in _HOST_KEY_ALGORITHMS if _kind(name) in kinds]
        return known + [name for name in _HOST_KEY_ALGORITHMS if name not in known]

    def accepts(self, key: asyncssh.SSHKey) -> bool:
        """Say whether `key` may go on to the login, and remember it."""
        self.came = key
        return self.any or line_of(key) in self.accepted

    async def settle(self) -> None:
        """Pin what came on first use; raise `TargetUnreachableError` if another was pinned."""
        if self._settled or self.came is None:
            return
        if self._policy is HostKeyPolicy.TOFU and not self.accepted:
            self.accepted = await self._pin(line_of(self.came))
            if line_of(self.came) not in self.accepted:
                raise TargetUnreachableError(self.mismatch())
        self._settled = True

    def mismatch(self) -> str:
        """Say what was expected and what came."""
        expected = ", ".join(fingerprint(line) for line in self.accepted) or "a given key"
        came = f"{_name(self.came)} {self.came.get_fingerprint()}" if self.came else "no key"
        return (
            f"the target's host key is not the expected one: expected {expected}; came {came}. "
            "No credential was sent. If the key was changed on purpose, an operator accepts it "
            f"with `proxyd secret edit {self.secret_name} --host-key ...`"
        )


class TargetLogin(asyncssh.SSHClient):
    """Answers what the target asks during login."""

    def __init__(self, credential: TargetCredential, keys: HostKeys) -> None:
        self._credential, self.keys = credential, keys
        self.username = credential.username
        self._tries = _PASSWORD_TRIES
        self._key_offered = False
        self._challenges = 0
        self._challenges_before_prompts = -1
        self.failure: TargetUnreachableError | None = None
        self.on_lost: Callable[[Exception | None], None] = lambda _error: None
        """Is called when the connection is gone, with what ended it."""

    def forget(self) -> None:
        """Drop the credential: from here on there is nothing to offer."""
        self._credential = TargetCredential(username=self.username)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that the connection is gone."""
        self.on_lost(exc)

    def validate_host_public_key(
        self, _host: str, _addr: str, _port: int, key: asyncssh.SSHKey
    ) -> bool:
        """Go on with a key that is accepted and with no other."""
        return self.keys.accepts(key)

    async def public_key_auth_requested(self) -> asyncssh.SSHKey | None:
        """Offer the private key once, if there is one."""
        await self._settle()
        if self._credential.private_key is None or self._key_offered:
            return None
        self._key_offered = True
        try:
            return private_key(self._credential.private_key, self._credential.passphrase)
        except ValueError as error:
            text = _BAD_KEY.format(secret=self.keys.secret_name)
            self.failure = TargetUnreachableError(text)
            raise asyncssh.PermissionDenied(text) from error

    async def password_auth_requested(self) -> str | None:
        """Offer the password, if there is one, and not for ever."""
        await self._settle()
        return self._password()

    async def kbdint_auth_requested(self) -> str | None:
        """Try prompts where there is a password to answer with, until the target has none."""
        await self._settle()
        # OpenSSH without PAM offers prompts and asks nothing: each try would only count there
        # as a failed one, until it hangs up before the password was ever sent.
        in_vain = self._challenges == self._challenges_before_prompts
        self._challenges_before_prompts = self._challenges
        if in_vain or self._credential.password is None or self._tries == 0:
            return None
        return ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        """Answer one hidden prompt with the password; anything else is not for us."""
        self._challenges += 1
        if self._challenges > _CHALLENGES:
            return None
        if not prompts:
            return []
        match prompts:
            case [(_, False)]:
                password = self._password()
                return None if password is None else [password]
            case _:
                return None

    def _password(self) -> str | None:
        if self._tries == 0:
            return None
        self._tries -= 1
        return self._credential.password

    async def _settle(self) -> None:
        try:
            await self.keys.settle()
        except TargetUnreachableError as error:
            self.failure = error
            raise asyncssh.HostKeyNotVerifiable(str(error)) from error


async def dial(
    connect: Callable[[Target, TargetLogin], Awaitable[_Leg]],
    target: Target,
    credential: TargetCredential,
    keys: HostKeys,
    limit_s: float,
) -> _Leg:
    """Return what `connect` does, logged on; raise `TargetUnreachableError` for the user."""
    where = f"{target.host}:{target.port}"
    login = TargetLogin(credential, keys)
    try:
        async with asyncio.timeout(limit_s):
            return await connect(target, login)
    except TimeoutError:
        text = f"{where} did not answer within {limit_s:g} s; check host, port and firewall"
        raise TargetUnreachableError(text) from None
    except Exception as error:  # asyncssh hands on whatever a broken packet made it raise
        raise login.failure or _failure(error, where, keys) from error
    finally:
        login.forget()


def options_for(target: Target, login: TargetLogin) -> asyncssh.SSHClientConnectionOptions:
    """Return how to log on to `target` with `login`; raise `ValueError` for its name."""
    options = copy.copy(_options_with(tuple(login.keys.algorithms())))
    name = login.username
    prepared = name if name.isascii() and name.isprintable() else saslprep(name)
    where = {"host": target.host, "port": target.port, "username": prepared}
    options.kwargs = options.kwargs | where | {"client_factory": lambda: login}
    vars(options).update(where, orig_host=target.host, protocol_factory=lambda: login)
    return options


@functools.lru_cache(maxsize=64)
def _options_with(host_key_algorithms: tuple[str, ...]) -> asyncssh.SSHClientConnectionOptions:
    """Return what is the same for many logins: asyncssh takes half a millisecond for it."""
    return asyncssh.SSHClientConnectionOptions(
        known_hosts=([], [], []),
        server_host_key_algs=list(host_key_algorithms),
        client_keys=None,
        agent_path=None,
        config=None,
        gss_host=None,
        preferred_auth=("publickey", "keyboard-interactive", "password"),
        kex_algs=list(algorithms.TARGET_KEX),
        encryption_algs=list(algorithms.TARGET_CIPHERS),
        mac_algs=list(algorithms.TARGET_MACS),
        signature_algs=list(algorithms.SIGNATURES),
        compression_algs=None,
        client_version=algorithms.VERSION,
        login_timeout=0,
        keepalive_interval=0,
    )


_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (
        asyncssh.PermissionDenied,
        (
            "{where} refused the stored credential; "
            "an operator gives another by `proxyd secret edit {secret}`"
        ),
    ),
    (asyncssh.KeyExchangeFailed, "{where} and proxyd have no algorithm in common: {why}"),
    (asyncssh.ProtocolNotSupported, "{where} does not speak SSH 2: {why}"),
    (asyncssh.ProtocolError, "{where} does not speak SSH as expected: {why}"),
    (
        asyncssh.DisconnectError,
        "{where} ended the connection during login: {why}; is it an SSH server?",
    ),
    (socket.gaierror, "the host {host} is not known; check its name and DNS"),
    (
        ConnectionRefusedError,
        "{where} refused the connection; check its port and sshd",
    ),
    (OSError, "{where} cannot be reached: {why}; check the network between it and proxyd"),
    (ValueError, "{where} does not speak SSH as expected: {why}"),
)
"""The first class that fits tells the user what happened; no text holds the credential."""


def _failure(error: Exception, where: str, keys: HostKeys) -> TargetUnreachableError:
    refused = isinstance(error, asyncssh.PermissionDenied)
    kind = CredentialRefusedError if refused else TargetUnreachableError
    return kind(_explain(error, where, keys))


def _explain(error: Exception, where: str, keys: HostKeys) -> str:
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return f"{where}: {keys.mismatch()}"
    why = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    for kind, text in _REASONS:
        if isinstance(error, kind):
            host = where.rpartition(":")[0]
            said = _printable(str(why))
            return text.format(where=where, host=host, why=said, secret=keys.secret_name)
    return f"{where} cannot be logged on to ({type(error).__name__})"


def _printable(words: str) -> str:
    """Return the beginning of the target's words, without what a terminal would act on."""
    shown = words[:_REPEATED_CHARACTERS]
    return "".join(mark if mark.isprintable() else " " for mark in shown)


def private_key(data: bytes, passphrase: str | None) -> asyncssh.SSHKey:
    """Return the private key in `data`; raise `ValueError` where it cannot be used.

    The numbers of an RSA key are not proved: that takes longer than everything else of a
    login, and was done before the key was kept.
    """
    try:
        return asyncssh.import_private_key(
            data, passphrase, unsafe_skip_rsa_key_validation=True
        )
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise ValueError(str(error)) from error


def line_of(key: asyncssh.SSHKey) -> str:
    """Return `key` as `known_hosts` writes it: `ssh-ed25519 AAAA…`, without a comment."""
    kind, data = key.export_public_key().decode("ascii").split()[:2]
    return f"{kind} {data}"


def fingerprint(line: str) -> str:
    """Return kind and SHA-256 fingerprint of a host key line."""
    key = asyncssh.import_public_key(line)
    return f"{_name(key)} {key.get_fingerprint()}"


def _name(key: asyncssh.SSHKey) -> str:
    return key.get_algorithm()


def _kind(algorithm: str) -> str:
    return "ssh-rsa" if algorithm.startswith("rsa-") else algorithm
