"""Makes video of a recorded RDP session: VP9 in fragmented MP4, at the times things happened.

VP9, because x264 is under the GPL and patents are claimed for H.264. The pictures come in where
something changed, so a still desktop costs next to nothing.
"""

import io
import struct
from fractions import Fraction
from typing import Final

import av
from av.codec.context import CodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from recorder.events import KnownEvent
from recorder.replay.frames import Frames, Shown
from recorder.replay.rdp.bitmaps import BitmapDecoder
from recorder.replay.rdp.framebuffer import Framebuffer
from recorder.replay.salvage import Resumed

KEYFRAME_MS: Final = 10_000
"""A player finds its place from at most this far back."""
_TIME_BASE: Final = Fraction(1, 1000)
_FORMAT: Final = "bgr0"
_MUXER: Final = {
    # The index at once, and a fragment for each keyframe: what is there can be played.
    "movflags": "empty_moov+default_base_moof+frag_keyframe",
}
_ENCODER: Final = {
    "crf": "30",
    "b": "0",
    "deadline": "realtime",
    "cpu-used": "8",
    "tune-content": "screen",
    "lag-in-frames": "0",
    "row-mt": "1",
}
_QUICK_PNG: Final = {"compression_level": "1", "pred": "none"}
_COLOUR_SPACE: Final = 5
"""BT.601 (AVCOL_SPC_BT470BG), which is what the conversion to YUV makes."""
_BOXES_WITH_DURATION: Final = {b"mvhd": 16, b"tkhd": 20, b"mdhd": 16}
"""How far behind its name a box of version 0 has its duration (ISO/IEC 14496-12 8.2-8.4)."""
_LONGEST_32_BITS_MS: Final = 0xFFFF_FFFF
_SPRITE_PX: Final = (240, 150)
_SPRITE_COLUMNS: Final = 10
_MAX_SPRITES: Final = 100
_SPRITE_MS: Final = 10_000
"""Seconds between two thumbnails, in a session that is short enough."""


class VideoEncoder:
    """Takes events, gives pieces of a file. Blocking; one thread may use it."""

    def __init__(self, shown: Shown, decoder: BitmapDecoder) -> None:
        self._shown = shown
        self._out = _Pieces()
        self._container = av.open(self._out, "w", format="mp4", options=dict(_MUXER))
        # VP9 with colour at half the size wants even sides.
        self._width_px = shown.width_px + shown.width_px % 2
        self._height_px = shown.height_px + shown.height_px % 2
        self._stream = self._add_stream()
        self._frames = Frames(decoder, self._encode, with_pointer=True)
        self._keyframe_ms = -KEYFRAME_MS
        self._begun = False

    def feed(self, events: list[KnownEvent | Resumed]) -> bytes:
        """Take events in order of time; return what the file grew by."""
        for event in events:
            self._frames.take(event)
        return self._grown()

    def finish(self) -> bytes:
        """Return the end of the file."""
        self._frames.finish(self._shown.duration_ms)
        for packet in self._stream.encode():
            self._container.mux(packet)
        self._container.close()
        return self._grown()

    def _add_stream(self) -> VideoStream:
        stream = self._container.add_stream("libvpx-vp9", rate=10, options=dict(_ENCODER))
        stream.width, stream.height = self._width_px, self._height_px
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = _TIME_BASE
        context.colorspace = _COLOUR_SPACE
        stream.time_base = _TIME_BASE
        return stream

    def _encode(self, at_ms: int, framebuffer: Framebuffer) -> None:
        frame = framed(framebuffer, self._width_px, self._height_px)
        yuv = frame.reformat(format="yuv420p", dst_colorspace="ITU601")
        yuv.pts, yuv.time_base = at_ms, _TIME_BASE
        if at_ms - self._keyframe_ms >= KEYFRAME_MS:
            yuv.pict_type = PictureType.I
            self._keyframe_ms = at_ms
        for packet in self._stream.encode(yuv):
            self._container.mux(packet)

    def _grown(self) -> bytes:
        piece = self._out.taken()
        if piece and not self._begun:
            self._begun = True
            return with_duration(piece, self._shown.duration_ms)
        return piece


class Storyboard:
    """Takes events, gives one picture of thumbnails in rows of ten, evenly in time."""

    def __init__(self, shown: Shown, decoder: BitmapDecoder) -> None:
        self._duration_ms = shown.duration_ms
        self.interval_ms = max(_SPRITE_MS, -(-shown.duration_ms // _MAX_SPRITES))
        """From one thumbnail to the next."""
        self._frames = Frames(decoder, self._shown, with_pointer=True)
        self._sprites: list[bytes] = []

    def feed(self, events: list[KnownEvent | Resumed]) -> bytes:
        """Take events in order of time; there is nothing before the end."""
        for event in events:
            self._frames.take(event)
        return b""

    def finish(self) -> bytes:
        """Return the picture, a PNG."""
        self._frames.finish(self._duration_ms)
        width, height = _SPRITE_PX
        columns = min(len(self._sprites), _SPRITE_COLUMNS)
        rows = -(-len(self._sprites) // _SPRITE_COLUMNS)
        sheet = Framebuffer(max(columns, 1) * width, max(rows, 1) * height)
        for number, sprite in enumerate(self._sprites):
            sheet.put(
                number % _SPRITE_COLUMNS * width,
                number // _SPRITE_COLUMNS * height,
                sprite,
                (width, height),
            )
        return png(sheet)

    def _shown(self, at_ms: int, framebuffer: Framebuffer) -> None:
        """Keep a thumbnail of each interval: its first picture."""
        if len(self._sprites) * self.interval_ms > at_ms or len(self._sprites) >= _MAX_SPRITES:
            return
        frame = framed(framebuffer, framebuffer.width_px, framebuffer.height_px)
        width, height = _SPRITE_PX
        small = frame.reformat(width=width, height=height, format=_FORMAT, interpolation="AREA")
        self._sprites.append(rows_of(small))


class _Pieces(io.RawIOBase):
    """A file that only grows, and is carried off piece by piece."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self._parts.append(piece)
        return len(piece)

    def taken(self) -> bytes:
        """Return what was written since."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def framed(framebuffer: Framebuffer, width_px: int, height_px: int) -> VideoFrame:
    """Return a frame with the desktop in its upper left; what is beside it is black."""
    frame = VideoFrame(width_px, height_px, _FORMAT)
    stride = frame.planes[0].line_size
    row_bytes = 4 * min(framebuffer.width_px, width_px)
    source_stride = 4 * framebuffer.width_px
    if row_bytes == stride == source_stride and height_px == framebuffer.height_px:
        frame.planes[0].update(bytes(framebuffer.pixels))
        return frame
    canvas = bytearray(frame.planes[0].buffer_size)
    for row in range(min(framebuffer.height_px, height_px)):
        source = row * source_stride
        place = row * stride
        canvas[place : place + row_bytes] = framebuffer.pixels[source : source + row_bytes]
    frame.planes[0].update(bytes(canvas))
    return frame


def rows_of(frame: VideoFrame) -> bytes:
    """Return the pixels of a frame of this format, without padding."""
    data, stride = bytes(frame.planes[0]), frame.planes[0].line_size
    row_bytes = 4 * frame.width
    return b"".join(
        [data[start : start + row_bytes] for start in range(0, stride * frame.height, stride)]
    )


def png(framebuffer: Framebuffer, *, quickly: bool = False) -> bytes:
    """Return the picture as a PNG file; `quickly` in a third of the time, a bit larger."""
    context = CodecContext.create("png", "w")
    context.options = _QUICK_PNG if quickly else {}
    context.width, context.height = framebuffer.width_px, framebuffer.height_px
    context.pix_fmt = "rgb24"
    context.time_base = _TIME_BASE
    frame = framed(framebuffer, framebuffer.width_px, framebuffer.height_px)
    packets = context.encode(frame.reformat(format="rgb24"))
    return b"".join(bytes(packet) for packet in [*packets, *context.encode(None)])


def with_duration(head: bytes, duration_ms: int) -> bytes:
    """Write the duration into an MP4's index, which was made before it could be known."""
    patched = bytearray(head)
    for name, offset in _BOXES_WITH_DURATION.items():
        at = patched.find(name)
        scale = 1000
        if at >= 0 and patched[at + 4] == 0:
            if name != b"tkhd":
                (scale,) = struct.unpack_from(">I", patched, at + 4 + 12)
            value = min(duration_ms * scale // 1000, _LONGEST_32_BITS_MS)
            struct.pack_into(">I", patched, at + 4 + offset, value)
    return bytes(patched)
