"""The state directory itself, and what an engine has set up in it: no database, no vault."""

from pathlib import Path

from config.errors import ConfigError
from control.gateway_keys import make_host_keys
from control.private_files import give_to_owner
from control.state_lock import LOCK_NAME, hold


def set_up_engine(state_dir: Path) -> list[str]:
    """Set up what is missing for an engine; return what was done, a line each.

    Raises `ConfigError`, and `StateDirHeldError` while a node runs.
    """
    told = make_folder(state_dir)
    with hold(state_dir):
        told += make_host_keys(state_dir)
        for path in state_dir.iterdir():
            give_to_owner(path)
    return told


def make_folder(folder: Path) -> list[str]:
    """Make the folder, closed to others; return what was done. Raises `ConfigError`."""
    told = []
    try:
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True)
            told.append(f"made the state directory {folder}")
        return told + _close_to_others(folder)
    except OSError as error:
        raise ConfigError(
            f"the state directory {folder} cannot be made: {error.strerror}; run as root, "
            "or name another one with `state_dir`"
        ) from error


def _close_to_others(folder: Path) -> list[str]:
    mode = folder.stat().st_mode
    if not mode & 0o077:
        return []
    # `state_dir = "/var/lib"` is one slip away, and closing that would stop the machine.
    if not (folder / LOCK_NAME).exists() and any(folder.iterdir()):
        raise ConfigError(
            f"the state directory {folder} is open to others and holds files that are not "
            "proxyd's: name a directory of its own with `state_dir`"
        )
    folder.chmod(0o700)
    return [f"closed {folder} to others (it had mode {mode & 0o777:04o})"]
