import asyncio
import contextlib
import gc
import sys

import asyncssh
import pytest
from peers.fake_target import fake_target

from bus.contract import HostKeyPolicy, TargetCredential
from config.model import SSHSettings
from protocols.errors import TargetUnreachableError
from protocols.ssh.channel_wiring import ChannelWiring
from protocols.ssh.packet_wiring import PacketWiring
from protocols.ssh.target import (
    HostKeys,
    TargetLogin,
    fingerprint,
    line_of,
    options_for,
    private_key,
)
from recorder.session_info import Target, TargetProtocol

KEY = asyncssh.generate_private_key("ssh-ed25519").convert_to_public()
OTHER = asyncssh.generate_private_key("ssh-ed25519").convert_to_public()


def keys(
    policy: HostKeyPolicy, *accepted: str, pinned: tuple[str, ...] | None = None
) -> HostKeys:
    async def pin(line: str) -> tuple[str, ...]:
        return pinned or (line,)

    return HostKeys(policy, accepted, pin, secret_name="web1")


def test_a_pinned_key_is_the_only_one_that_is_accepted():
    pinned = keys(HostKeyPolicy.TOFU, line_of(KEY))
    assert pinned.accepts(KEY)
    assert not pinned.accepts(OTHER)


def test_the_first_key_is_accepted_and_then_pinned():
    first = keys(HostKeyPolicy.TOFU)
    assert first.accepts(KEY)


async def test_the_slower_of_two_first_uses_compares_with_the_faster():
    late = keys(HostKeyPolicy.TOFU, pinned=(line_of(OTHER),))
    assert late.accepts(KEY)
    with pytest.raises(TargetUnreachableError, match="No credential was sent"):
        await late.settle()


def test_a_given_policy_without_a_key_accepts_none():
    assert not keys(HostKeyPolicy.GIVEN).accepts(KEY)


def test_any_key_is_accepted_only_where_that_was_chosen():
    assert keys(HostKeyPolicy.ANY, line_of(OTHER)).accepts(KEY)


def test_a_mismatch_tells_what_was_expected_and_what_came():
    changed = keys(HostKeyPolicy.GIVEN, line_of(OTHER))
    changed.accepts(KEY)
    text = changed.mismatch()
    assert fingerprint(line_of(OTHER)) in text
    assert KEY.get_fingerprint() in text
    assert "`proxyd secret edit web1 --host-key ...`" in text


def test_the_kind_of_the_pinned_key_is_asked_for_first():
    rsa = asyncssh.generate_private_key("ssh-rsa", key_size=2048).convert_to_public()
    asked = keys(HostKeyPolicy.GIVEN, line_of(rsa)).algorithms()
    assert asked[:2] == ["rsa-sha2-512", "rsa-sha2-256"]
    assert "ssh-ed25519" in asked


def test_an_unreadable_private_key_is_a_value_error():
    with pytest.raises(ValueError, match=r"."):
        private_key(b"not a key", None)


async def test_who_meets_an_unreadable_private_key_is_told_which_secret_has_it():
    credential = TargetCredential(username="root", private_key=b"not a key")
    login = TargetLogin(credential, keys(HostKeyPolicy.ANY))
    with pytest.raises(asyncssh.PermissionDenied, match="`proxyd secret edit web1`"):
        await login.public_key_auth_requested()
    assert "`proxyd secret edit web1`" in str(login.failure)


async def test_a_target_that_offers_prompts_and_has_none_is_given_the_password_instead():
    credential = TargetCredential(username="root", password="right")
    login = TargetLogin(credential, keys(HostKeyPolicy.ANY))
    assert await login.kbdint_auth_requested() == ""
    assert await login.kbdint_auth_requested() is None
    assert await login.password_auth_requested() == "right"


async def test_whoever_reads_that_a_credential_was_refused_reads_how_to_change_it():
    with fake_target() as told:
        target = Target(host="127.0.0.1", port=told.port, protocol=TargetProtocol.SSH)
        credential = TargetCredential(username="root", password="wrong")
        with pytest.raises(TargetUnreachableError, match="`proxyd secret edit web1"):
            await ChannelWiring().dial(target, credential, keys(HostKeyPolicy.ANY), 10)


async def test_a_target_that_did_ask_may_ask_again():
    credential = TargetCredential(username="root", password="right")
    login = TargetLogin(credential, keys(HostKeyPolicy.ANY))
    assert await login.kbdint_auth_requested() == ""
    assert login.kbdint_challenge_received("", "", "", [("Password: ", False)]) == ["right"]
    assert await login.kbdint_auth_requested() == ""


@pytest.mark.parametrize("wiring", [PacketWiring(SSHSettings()), ChannelWiring()])
@pytest.mark.parametrize("password", ["right", "wrong"])
async def test_nothing_holds_the_credential_once_the_login_is_over(wiring, password):
    secret = "".join(list(password))  # An object of its own, whose references can be counted.
    unheld = sys.getrefcount(secret)
    with fake_target() as told:
        target = Target(host="127.0.0.1", port=told.port, protocol=TargetProtocol.SSH)
        credential = TargetCredential(username="root", password=secret)
        leg = None
        with contextlib.suppress(TargetUnreachableError):
            leg = await wiring.dial(target, credential, keys(HostKeyPolicy.ANY), 10)
        del credential
        await asyncio.sleep(0.1)  # What asyncssh's tasks hold goes with them, and they end.
        gc.collect()  # A failed login leaves its frames to the collector.
        assert sys.getrefcount(secret) == unheld
        assert told.attempts[-1] == ("root", password)
        assert (leg is not None) == (password == "right")
        if leg:
            leg.abort()
        await asyncio.sleep(0.1)  # Lets the other side close as well.


def told(options: asyncssh.SSHClientConnectionOptions) -> dict[str, object]:
    """What can be compared of options."""
    apart = {"config", "kwargs", "protocol_factory"}
    return {name: value for name, value in vars(options).items() if name not in apart}


@pytest.mark.parametrize("name", ["root", "Ren\u00e9", "soft\u00adhyphen"])
def test_options_are_what_asyncssh_itself_makes_of_them(name: str):
    target = Target(host="web1.example", port=2222, protocol=TargetProtocol.SSH)
    for host_keys in (keys(HostKeyPolicy.GIVEN, line_of(KEY)), keys(HostKeyPolicy.ANY)):
        login = TargetLogin(TargetCredential(username=name, password="x"), host_keys)
        options = options_for(target, login)
        anew = asyncssh.SSHClientConnectionOptions(options=options)
        assert told(options) == told(anew)
        assert (options.host, options.port) == ("web1.example", 2222)
        assert options.protocol_factory() is anew.protocol_factory() is login


def test_a_name_that_no_login_may_have_is_refused():
    target = Target(host="web1.example", port=22, protocol=TargetProtocol.SSH)
    credential = TargetCredential(username="root\n", password="x")
    with pytest.raises(ValueError, match="Prohibited"):
        options_for(target, TargetLogin(credential, keys(HostKeyPolicy.ANY)))
