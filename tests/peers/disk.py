"""A disk of its own for a test: a file system in a file, that dies or loses its power.

What the kernel has not yet sent to the disk is lost at a power cut. The file behind the
loop device is that disk: copied at one instant, it holds what had been sent.
"""

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from peers.needed import program

_SHUTDOWN: Final = 0x8004587D
"""EXT4_IOC_SHUTDOWN; 2: without writing the journal."""


class Disk:
    """An ext4, mounted at `folder`."""

    def __init__(self, folder: Path, size_bytes: int = 64 * 1024 * 1024) -> None:
        self._image, self.folder = folder / "image", folder / "disk"
        self.folder.mkdir()
        with self._image.open("wb") as image:
            image.truncate(size_bytes)
        subprocess.run([program("mkfs.ext4"), "-q", self._image], check=True)

    def mount(self) -> None:
        mounting = [program("mount"), "-o", "loop", self._image, self.folder]
        if subprocess.run(mounting, check=False, capture_output=True).returncode:
            pytest.fail("mounting a loop device needs root: run the tests as root")

    def die(self) -> None:
        """Answer everything with an error from now on, as a disk whose cable was pulled."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", 2))
        os.close(descriptor)

    def lose_power(self) -> None:
        """Keep what is on the disk now, for `back_after_repair`."""
        # In place of the old file, that the kernel goes on writing to.
        self._image = self._copied()

    def back_after_repair(self) -> None:
        """Mount what is on the disk; the dead one stays busy as long as its files are open."""
        self.unmount()
        self._image = self._copied()
        self.mount()

    def unmount(self) -> None:
        subprocess.run(
            [program("umount"), "--lazy", self.folder], check=False, capture_output=True
        )

    def _copied(self) -> Path:
        copy = f"{self._image}.copy"
        subprocess.run([program("cp"), "--sparse=always", self._image, copy], check=True)
        return Path(copy)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path)
    made.mount()
    yield made
    made.unmount()
