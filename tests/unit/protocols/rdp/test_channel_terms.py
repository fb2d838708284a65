from samples.devices import announced, cut, device
from samples.rdp import ScriptedTarget, accepted_client, connected

from protocols.rdp.channel_terms import ChannelTerms
from protocols.rdp.device_policy import DeviceTerms
from protocols.rdp.wire import gcc, mcs
from protocols.rdp.wire.devices import DeviceKind
from recorder.events import EndReason, KnownEvent

SHOW = 0x00200000
NAMES = ("RDPDR", "drdynvc", "rdpsnd", "cliprdr", "rail")
DRIVE = announced(device(DeviceKind.DRIVE, 1, "C:"))


class Sink:
    congested = False

    def at_ms(self) -> int:
        return 7

    def record(self, events: list[KnownEvent]) -> None:
        """Forget them."""

    async def drain(self) -> None:
        """Nothing waits."""

    async def close(self, reason: EndReason, detail: str = "") -> None:
        """Nothing to close."""


def test_the_channels_that_there_are_and_no_others_are_followed() -> None:
    client = accepted_client(tuple(gcc.StaticChannel(name, 0) for name in NAMES))
    target = connected(client, ScriptedTarget(), "rdpdr", "rdpsnd", "rail")[1]
    followed = ChannelTerms().follow(client, target, Sink())
    assert followed.numbers == {client.channel_ids[0], client.channel_ids[2]}


def test_what_is_said_in_the_clients_place_has_the_flags_of_its_channel() -> None:
    for options, flags in ((0, 0x03), (SHOW, 0x13)):
        client = accepted_client((gcc.StaticChannel("rdpdr", options),))
        target = connected(client, ScriptedTarget(), "rdpdr")[1]
        terms = ChannelTerms(devices=DeviceTerms(to_target=True))
        followed = terms.follow(client, target, Sink())
        [piece] = cut(DRIVE)
        packet = mcs.send_request(client.user, client.channel_ids[0], piece)
        [passed], _ = followed.crossing(packet, from_client=True)
        data = passed[mcs.read_sent(passed).offset :]
        assert data[4] == flags
