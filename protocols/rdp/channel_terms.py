"""What may cross of a session's virtual channels, and who follows each of them. Sans-io."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct, field

from protocols.rdp import clipboard_policy, device_channel, dynamic_channel, sound_channel
from protocols.rdp.acceptor import ClientSide
from protocols.rdp.clipboard_channel import ClipboardChannel
from protocols.rdp.clipboard_policy import ClipboardTerms
from protocols.rdp.connector import TargetSide
from protocols.rdp.device_channel import DeviceChannel
from protocols.rdp.device_policy import DeviceTerms
from protocols.rdp.dynamic_channel import DynamicChannels
from protocols.rdp.followed import Followed, FollowedChannels
from protocols.rdp.sound_channel import SoundChannel
from protocols.rdp.wire.virtual_channel import SHOW_PROTOCOL_OPTION
from recorder.ports import EventSink


class ChannelTerms(Struct, frozen=True, kw_only=True):
    """What a secret lets through."""

    clipboard: ClipboardTerms = field(default_factory=ClipboardTerms)
    devices: DeviceTerms = field(default_factory=DeviceTerms)
    dynamic: frozenset[str] = frozenset()
    """Names of dynamic channels."""

    def follow(
        self, client: ClientSide, target: TargetSide, sink: EventSink
    ) -> FollowedChannels:
        """Return who follows the channels that are there."""
        followed: dict[int, Followed] = {}
        for number, channel in zip(client.channel_ids, client.channels, strict=True):
            make = _FOLLOWED.get(channel.name.lower())
            if make is not None and number in target.channel_ids:
                shown = bool(channel.options & SHOW_PROTOCOL_OPTION)
                followed[number] = make(self, shown)
        return FollowedChannels(followed, sink)


_FOLLOWED: Final[dict[str, Callable[[ChannelTerms, bool], Followed]]] = {
    clipboard_policy.CHANNEL_NAME: lambda terms, _: ClipboardChannel(terms.clipboard),
    device_channel.CHANNEL_NAME: lambda terms, shown: DeviceChannel(
        terms.devices, show_protocol=shown
    ),
    dynamic_channel.CHANNEL_NAME: lambda terms, shown: DynamicChannels(
        terms.dynamic, show_protocol=shown
    ),
    sound_channel.CHANNEL_NAME: lambda _terms, _: SoundChannel(),
}
