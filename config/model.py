"""Every setting, its type, its unit and its default.

A name ends in its unit: `_s` seconds, `_ms` milliseconds, `_bytes`. A struct here is
one table of the TOML file. Packages are handed their own table, never all of them.
"""

import enum
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

_A_CENTURY_S = 3_155_760_000
Seconds = Annotated[float, Meta(gt=0, le=_A_CENTURY_S)]
SecondsOrOff = Annotated[float, Meta(ge=0, le=_A_CENTURY_S)]
Bytes = Annotated[int, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
_PORT = "(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_ADDRESS = rf"(?:\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+):{_PORT}"
Address = Annotated[
    str,
    Meta(
        pattern=f"^{_ADDRESS}$",
        description="an address and a port, like 0.0.0.0:2222 or [::]:2222",
    ),
]
AddressOrOff = Annotated[
    str,
    Meta(
        pattern=f"^(?:{_ADDRESS})?$",
        description='an address and a port, like 127.0.0.1:9464, or "" for none',
    ),
]
SyslogOrOff = Annotated[
    str,
    Meta(
        pattern=f"^(?:(?:udp|tcp|tls)://{_ADDRESS})?$",
        description='udp://, tcp:// or tls:// with an address and a port, or "" for none',
    ),
]
LDAPOrOff = Annotated[
    str,
    Meta(
        pattern=r"^(?:ldaps?://\S+)?$",
        description='an address with ldaps:// or ldap://, or "" for none',
    ),
]
HTTPSOrOff = Annotated[
    str,
    Meta(
        pattern=r"^(?:https://\S+|http://(?:127\.0\.0\.1|localhost)[:/]?\S*)?$",
        description='an address with https://, or "" for none',
    ),
]
MaxStartups = Annotated[
    str,
    Meta(
        pattern="^[1-9][0-9]{0,5}:(?:[0-9]{1,2}|100):[1-9][0-9]{0,5}$",
        description="start:percent:full, like 10:30:100",
    ),
]
HostName = Annotated[
    str,
    Meta(
        pattern=r"^(?:\w(?:[\w.-]*\w)?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)$",
        description="a name or an address that users reach, like bastion.example.org",
    ),
]
SiteName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="up to 64 letters, digits, - and _",
    ),
]
ClientSecurity = Literal["nla", "tls"]
LogLevel = Literal["debug", "info", "warning", "error"]


class OnLoss(enum.StrEnum):
    """What happens to a session whose recording cannot be kept."""

    REQUIRE = "require"
    SPOOL = "spool"
    BEST_EFFORT = "best-effort"


class RelayKind(enum.StrEnum):
    """Which SSH relay serves sessions."""

    AUTO = "auto"
    PACKET = "packet"
    CHANNEL = "channel"


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table: immutable, and a misspelt key is an error."""


class SSHSettings(_Table, frozen=True, kw_only=True):
    """`[ssh]`: the SSH gateway."""

    listen: tuple[Address, ...] = ("0.0.0.0:2222",)
    login_timeout_s: Seconds = 60
    dial_timeout_s: Seconds = 10
    idle_timeout_s: SecondsOrOff = 0
    max_session_s: Seconds = 86400
    relay: RelayKind = RelayKind.AUTO
    max_startups: MaxStartups = "10:30:100"
    """As OpenSSH's MaxStartups: start refusing at, percent refused there, refuse all at."""
    max_startups_per_source: Count = 50
    """One source cannot use up `max_startups` for all."""
    max_tries: Count = 6
    max_channels: Count = 10
    target_alive_interval_s: Seconds = 15
    """How long a target may be silent before it is asked for a sign of life."""
    target_alive_count: Count = 3
    """How many such questions may go unanswered."""
    source_penalties: bool = True
    terminal_idle_timeout_s: SecondsOrOff = 900
    """How long a line of the terminal may take."""
    terminal_banner: str = ""
    """Shown to whoever logs on with his own name, before he does."""
    terminal_motd: str = ""
    """Shown to whoever comes to the terminal."""
    keep_warm_ms: Annotated[float, Meta(ge=0, le=1000)] = 2
    """How often the way of a key is rehearsed while somebody types; 0: never."""


class RDPSettings(_Table, frozen=True, kw_only=True):
    """`[rdp]`: the RDP gateway."""

    listen: tuple[Address, ...] = ("0.0.0.0:3390",)
    client_security: Annotated[tuple[ClientSecurity, ...], Meta(min_length=1)] = ("nla", "tls")
    certificate_file: Path | None = None
    """PEM, with its chain. None: `rdp_certificate.pem` in the state directory."""
    key_file: Path | None = None
    """PEM. None: `rdp_key.pem` in the state directory."""
    signing_certificate_file: Path | None = None
    """PEM, with its chain: signs `.rdp` files. None: they are not signed."""
    signing_key_file: Path | None = None
    """PEM, of mode 0600."""
    ca_file: Path | None = None
    """For secrets with `--certificate-ca`. None: the authorities that the system trusts."""
    kerberos: bool = False
    """Whether targets with NLA are logged on to with a ticket where one is to be had."""
    login_timeout_s: Seconds = 60
    dial_timeout_s: Seconds = 10
    idle_timeout_s: SecondsOrOff = 0
    max_session_s: Seconds = 86400
    max_startups: MaxStartups = "10:30:100"
    max_startups_per_source: Count = 50
    source_penalties: bool = True
    reconnect_grace_s: SecondsOrOff = 60
    """How long a used-up pair lets the client back in whose connection broke. For control."""
    client_alive_interval_s: Seconds = 15
    """How long a client may be silent before the kernel asks it for a sign of life."""
    client_alive_count: Annotated[int, Meta(ge=1, le=127)] = 3
    """How many such questions may go unanswered."""
    target_alive_interval_s: Seconds = 15
    """How long a target may be silent before the kernel asks it for a sign of life."""
    target_alive_count: Annotated[int, Meta(ge=1, le=127)] = 3
    """How many such questions may go unanswered."""


class RecorderSettings(_Table, frozen=True, kw_only=True):
    """`[recorder]`: how recordings are cut, kept and limited."""

    chunk_interval_s: Annotated[float, Meta(ge=0.1)] = 30
    chunk_max_bytes: Annotated[int, Meta(ge=4096, le=8 * 1024 * 1024)] = 1024 * 1024
    sync_interval_ms: Annotated[int, Meta(ge=0, le=1000)] = 250
    """How often open segments are synced to disk; 0: before every forward."""
    spool_quota_bytes: Bytes = 10 * 1024**3
    session_quota_bytes: Bytes = 1024**3
    """How much of it one session may take, so that it fills up for no other."""
    capture_limit_bytes: Bytes = 16 * 1024 * 1024
    on_loss: OnLoss = OnLoss.REQUIRE
    unreachable_limit_s: Seconds = 10


class BusSettings(_Table, frozen=True, kw_only=True):
    """`[bus]`: how nodes talk."""

    url: str = "memory:"
    password_file: Path | None = None
    """None: the systemd credential `bus-password`."""
    ca_file: Path | None = None
    """None: the authorities that the system trusts."""
    certificate_file: Path | None = None
    """Shown to a broker that asks its clients for one."""
    key_file: Path | None = None
    sites: tuple[SiteName, ...] = ("default",)
    """Whose engines a control node and a worker serve."""
    heartbeat_s: Annotated[float, Meta(ge=2, le=60)] = 10
    answer_timeout_s: Seconds = 10


class DatabaseSettings(_Table, frozen=True, kw_only=True):
    """`[database]`: where sessions, secrets and the index are kept."""

    url: str | None = None
    """None: `proxyd.db` in the state directory."""
    password_file: Path | None = None
    """None: the systemd credential `database-password`, else PostgreSQL's own ways."""
    connections: Annotated[int, Meta(ge=2, le=1000)] = 10
    """PostgreSQL: at most so many from this process."""
    connect_timeout_s: Annotated[float, Meta(ge=2, le=600)] = 10
    """PostgreSQL: to a new connection, or to one of `connections` that is free."""
    statement_timeout_s: Seconds = 30
    lock_timeout_s: Seconds = 10
    """How long a statement waits for what another transaction holds."""


class BlobSettings(_Table, frozen=True, kw_only=True):
    """`[blobs]`: where the bytes of chunks are kept."""

    url: str = "database:"
    sites: dict[str, str] = {}
    """The URLs of sites whose recordings lie elsewhere."""
    earlier: tuple[str, ...] = ()
    """URLs where older recordings lie: they are read and deleted there, not written."""
    credentials_file: Path | None = None
    """None: the systemd credential `blob-credentials`, else what the machine is given."""
    timeout_s: Seconds = 15
    """For one blob, every try included."""


class RetentionSettings(_Table, frozen=True, kw_only=True):
    """`[retention]`: when old recordings are looked for. The rules are in the database."""

    interval_s: Seconds = 3600


class ControlSettings(_Table, frozen=True, kw_only=True):
    """`[control]`: the vault, the grants and the page."""

    listen: AddressOrOff = "127.0.0.1:8443"
    """Of the page and its API. Empty: there is none."""
    tls: str = "self-signed"
    """Or `/path/certificate.pem, /path/key.pem`."""
    require_second_factor: bool = False
    """Whoever has none enrols one before anything else."""
    viewing_idle_s: Annotated[float, Meta(ge=60, le=43_200)] = 1800
    """A viewing of a recording ends when nothing of it was looked at for so long."""
    viewing_needs_approval: bool = False
    """Another person lets somebody see a recording, for a while."""
    master_key_file: Path | None = None
    """None: the systemd credential `master-key`, else `master.key` in the state directory."""
    session_lost_after_s: Annotated[float, Meta(ge=600, le=_A_CENTURY_S)] = 86400
    """A live session is lost when nothing was heard of it or its engine for so long."""


class LDAPSettings(_Table, frozen=True, kw_only=True):
    """`[ldap]`: a directory that knows users' passwords."""

    url: LDAPOrOff = ""
    """`ldaps://host:636`, or `ldap://host` where TLS is begun in it. Empty: none."""
    user_dn: str = ""
    """The entry that a user binds as: `uid={name},ou=people,dc=example,dc=org`."""
    ca_file: Path | None = None
    """Who signed the directory's certificate; None: whom this machine trusts."""
    timeout_s: Seconds = 5


class OIDCSettings(_Table, frozen=True, kw_only=True):
    """`[oidc]`: an identity provider that vouches for users of the page."""

    issuer: HTTPSOrOff = ""
    """Empty: none. Users log in with their passwords beside it."""
    client_id: str = ""
    client_secret_file: Path | None = None
    """None: the systemd credential `oidc-client-secret`."""
    name: str = "your organisation"
    """What the button says behind "Log in with"."""
    username_claim: str = "preferred_username"
    """What of the provider's word is the user's name here."""
    timeout_s: Seconds = 10


class AuditSettings(_Table, frozen=True, kw_only=True):
    """`[audit]`: where the audit trail is copied to."""

    syslog: SyslogOrOff = ""
    """Empty: nowhere."""
    syslog_ca: Path | None = None
    """With `tls://`. None: the authorities that this machine trusts."""
    syslog_timeout_s: Seconds = 10


class ProofSettings(_Table, frozen=True, kw_only=True):
    """`[proof]`: what shows that no recording was altered or removed."""

    tree_head_dir: Path | None = None
    """Where signed heads of the log of sessions are written. None: nowhere."""


class MetricsSettings(_Table, frozen=True, kw_only=True):
    """`[metrics]`: Prometheus text."""

    listen: AddressOrOff = "127.0.0.1:9464"
    """Empty: not served."""


class Settings(_Table, frozen=True, kw_only=True):
    """The whole file."""

    state_dir: Path = Path("/var/lib/proxyd")
    site: SiteName = "default"
    public_host: HostName = "localhost"
    log_level: LogLevel = "info"
    drain_timeout_s: SecondsOrOff = 10
    ship_timeout_s: SecondsOrOff = 20
    ssh: SSHSettings = SSHSettings()
    rdp: RDPSettings = RDPSettings()
    recorder: RecorderSettings = RecorderSettings()
    bus: BusSettings = BusSettings()
    database: DatabaseSettings = DatabaseSettings()
    blobs: BlobSettings = BlobSettings()
    retention: RetentionSettings = RetentionSettings()
    control: ControlSettings = ControlSettings()
    oidc: OIDCSettings = OIDCSettings()
    ldap: LDAPSettings = LDAPSettings()
    audit: AuditSettings = AuditSettings()
    metrics: MetricsSettings = MetricsSettings()
    proof: ProofSettings = ProofSettings()

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the database."""
        return self.database.url or f"sqlite:///{self.state_dir}/proxyd.db"
