"""Records the labelled corpus for masking: real programs, driven through a real terminal.

Run as root on a machine to throw away: `python tests/data/masking/make.py [SCENE…]`.
It needs bash zsh dash sudo passwd su openssh gpg pinentry-curses vim tmux less top psql
and python3, makes the user `masker` for the time it runs, and writes one JSON file a scene.
"""

import json
import sys
from pathlib import Path

from scenes import SCENES
from stage import set_up

HERE = Path(__file__).parent


def main(names: list[str]) -> None:
    with set_up() as place:
        for name in names or list(SCENES):
            SCENES[name](place)
            terminal = place.played.pop()
            terminal.close()
            scene = {
                "secrets": terminal.secrets,
                "lines": terminal.lines,
                "events": terminal.events,
            }
            (HERE / f"{name}.json").write_text(json.dumps(scene, indent=None) + "\n")
            print(name, len(terminal.events), "events")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
