"""Who an engine is, and whom it believes: its keys and its pins in the state directory.

engine.id                which engine this is
engine-signing-key       Ed25519, or a systemd credential of this name
engine-sealing-key       X25519, the same
trusted-keys.json        the public keys of control and storage; first written by enrolment
"""

import asyncio
import contextlib
import secrets
from pathlib import Path
from typing import Final

import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec import Struct, structs

from bus import enrolment
from bus.contract import Done, FetchTrustedKeys, Grant, RotateEngineKey, TrustedKeys
from bus.errors import BadMessageError, BusError
from bus.identity import Identity
from bus.ports import EngineBus
from bus.sealed import SealError, engine_info, open_with
from config.errors import ConfigError
from control.private_files import write_private
from control.signing_key import KeyFile, locate
from recorder.data_key import RecordingPublicKey
from recorder.errors import RecordingKeyError
from recorder.ports import Clock
from recorder.signing import SigningKey

ID_NAME: Final = "engine.id"
SIGNING_KEY_NAME: Final = "engine-signing-key"
SEALING_KEY_NAME: Final = "engine-sealing-key"
PINS_NAME: Final = "trusted-keys.json"
FETCH_INTERVAL_S: Final = 60.0
"""A key that control announces is known by its engines after this."""
_FETCH_AGAIN_S: Final = 5.0
_LEARN_AGAIN_S: Final = 0.5
_CONTROL: Final = "control"
_STORAGE: Final = "storage"
_ID_BYTES: Final = 4

_log = structlog.get_logger()


def engine_id(state_dir: Path) -> str:
    """Return the engine's id, the same for as long as its state directory lives."""
    path = state_dir / ID_NAME
    try:
        if not path.exists():
            path.write_text(f"engine-{secrets.token_hex(_ID_BYTES)}\n")
        return path.read_text().strip()
    except OSError as error:
        raise ConfigError(
            f"the engine's id in {path} cannot be kept: {error.strerror}; let the daemon's "
            "user write to the state directory"
        ) from error


class EnginePrivateKeys:
    """The private keys of an engine, made where there are none."""

    def __init__(self, state_dir: Path, credentials_dir: Path | None) -> None:
        """Read or make them; raise `ConfigError` where they cannot be used or kept."""
        self.signing_file: KeyFile[Ed25519PrivateKey] = locate(
            state_dir,
            SIGNING_KEY_NAME,
            Ed25519PrivateKey,  # type: ignore[type-abstract]
            credentials_dir,
        )
        sealing_file: KeyFile[X25519PrivateKey] = locate(
            state_dir,
            SEALING_KEY_NAME,
            X25519PrivateKey,  # type: ignore[type-abstract]
            credentials_dir,
        )
        self.signing = self.signing_file.read_or_make()
        self.sealing = sealing_file.read_or_make()

    def unseal(self, grant: Grant) -> Grant:
        """Return the grant, opened as far as the key it was enrolled with opens it.

        Raises `BadMessageError` where it is sealed to another engine, or for another session.
        """
        info = engine_info(grant.session_id)
        try:
            private = self.sealing.private_bytes_raw()
            sealed = open_with(private, grant.sealed_credential, info)
        except SealError as error:
            raise BadMessageError(
                f"control seals credentials to another key than {SEALING_KEY_NAME}: restore it "
                "from a backup, or enrol anew with `proxyd engine enrol --afresh`"
            ) from error
        return structs.replace(grant, sealed_credential=sealed, sealed_to_engine=False)

    @property
    def signing_public(self) -> bytes:
        """The raw public half of the signing key."""
        return self.signing.public_key().public_bytes_raw()

    @property
    def sealing_public(self) -> bytes:
        """The raw public half of the sealing key."""
        return self.sealing.public_key().public_bytes_raw()


class _Pins(Struct, frozen=True, kw_only=True):
    """`trusted-keys.json`: raw public keys in hexadecimal."""

    control: tuple[str, ...]
    storage: tuple[str, ...]
    recording: tuple[str, ...]


class TrustFile:
    """The keys that an engine believes, on its disk."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / PINS_NAME

    def read(self) -> TrustedKeys:
        """Return the keys; raise `ConfigError` where the engine was never enrolled."""
        try:
            pins = msgspec.json.decode(self.path.read_bytes(), type=_Pins)
            return msgspec.convert(
                {
                    "type": "trusted_keys",
                    "control": tuple(map(bytes.fromhex, pins.control)),
                    "storage": tuple(map(bytes.fromhex, pins.storage)),
                    "recording": tuple(map(bytes.fromhex, pins.recording)),
                },
                TrustedKeys,
                builtin_types=(bytes,),
            )
        except FileNotFoundError as error:
            raise ConfigError(
                "this engine is not enrolled: run `proxyd engine enrol --site NAME` here, and "
                "`proxyd engine approve` on the control node"
            ) from error
        except OSError as error:
            raise ConfigError(
                f"{self.path} cannot be read: {error.strerror}; run as the user that owns it"
            ) from error
        except (ValueError, msgspec.MsgspecError) as error:
            raise ConfigError(
                f"{self.path} holds no keys: restore it from a backup, or enrol again with "
                "`proxyd engine enrol --afresh`"
            ) from error

    def write(self, keys: TrustedKeys) -> None:
        """Keep the keys, whole or not at all."""
        pins = _Pins(
            control=tuple(key.hex() for key in keys.control),
            storage=tuple(key.hex() for key in keys.storage),
            recording=tuple(key.hex() for key in keys.recording),
        )
        write_private(self.path, msgspec.json.format(msgspec.json.encode(pins)))


class EngineTrust:
    """An engine on the bus, and the `recorder.ports.SealingKeys` that it has from there."""

    def __init__(
        self, name: str, keys: EnginePrivateKeys, file: TrustFile, clock: Clock
    ) -> None:
        """Read whom it believes; raise `ConfigError` where it is not enrolled."""
        self._keys = keys
        self._signer = SigningKey(name, keys.signing.private_bytes_raw())
        self._file = file
        self.believed = file.read()
        """Whom it believes; storage's recording key is among them."""
        self.identity = Identity(name, keys.signing, self.keys, clock)

    def keys(self, issuer: str) -> tuple[bytes, ...] | None:
        """Return the keys that `issuer` may sign with: a `bus.signed.Known`."""
        named = {_CONTROL: self.believed.control, _STORAGE: self.believed.storage}
        return named.get(issuer)

    @property
    def recording_key(self) -> RecordingPublicKey:
        """The key that data keys of new sessions are wrapped to; raise `RecordingKeyError`."""
        if not self.believed.recording:
            raise RecordingKeyError("control has not told this engine a recording key yet")
        return RecordingPublicKey(public=self.believed.recording[-1])

    @property
    def signer(self) -> SigningKey:
        """What chunks are signed with."""
        return self._signer

    async def learn(self, bus: EngineBus) -> None:
        """Return once there is a recording key: at once, but for the first start."""
        while not self.believed.recording:
            with contextlib.suppress(BusError):  # The bus says in its log what is wrong.
                await self.fetch(bus)
            if not self.believed.recording:
                await asyncio.sleep(_LEARN_AGAIN_S)

    async def follow(self, bus: EngineBus) -> None:
        """Keep its trust, and control's trust in it, up to date until cancelled."""
        while True:
            wait_s = _FETCH_AGAIN_S
            with contextlib.suppress(BusError):  # The bus says in its log what is wrong.
                await self.fetch(bus)
                await self.rotate(bus)
                wait_s = FETCH_INTERVAL_S
            await asyncio.sleep(wait_s)

    async def fetch(self, bus: EngineBus) -> None:
        """Ask once; raise `BusError`."""
        reply = await bus.request(FetchTrustedKeys())
        # An answer that names nobody would end all trust: nothing that control means.
        if not isinstance(reply, TrustedKeys) or not reply.control or reply == self.believed:
            return
        await asyncio.to_thread(self._file.write, reply)
        self.believed = reply
        _log.info("engine.keys_learnt", control=len(reply.control), storage=len(reply.storage))

    async def rotate(self, bus: EngineBus) -> None:
        """Sign with the next key from now on, if an operator made one; raise `BusError`.

        Control knows it before: cut short at any moment, it goes on where it was.
        """
        successor = await asyncio.to_thread(self._keys.signing_file.read_successor)
        if successor is None:
            return
        key = successor.public_key().public_bytes_raw()
        claim = enrolment.possession(self.identity.name, key)
        message = RotateEngineKey(signing_key=key, possession=successor.sign(claim))
        if not isinstance(await bus.request(message), Done):
            raise BadMessageError("control answered a new key with something else")
        await asyncio.to_thread(self._keys.signing_file.promote_successor)
        self._keys.signing = successor
        self._signer = SigningKey(self.identity.name, successor.private_bytes_raw())
        self.identity.sign_with(successor)
        _log.info("engine.key_rotated", fingerprint=enrolment.fingerprint(key))
