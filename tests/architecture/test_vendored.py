"""What others made is here unchanged, and nothing else of it is."""

import hashlib
import json
from pathlib import Path

ASSETS = Path(__file__).parents[2] / "proxyd/assets"
LOCK = json.loads((ASSETS / "vendor.lock.json").read_text(encoding="utf-8"))
FILES = {
    file["to"]: file["sha256"] for package in LOCK["packages"] for file in package["files"]
}
OURS = {"README.md", "vendor.lock.json"}


def test_every_file_is_the_one_that_was_locked():
    there = {
        str(path.relative_to(ASSETS)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in ASSETS.rglob("*")
        if path.is_file() and path.name not in OURS
    }
    assert there == FILES


def test_every_package_has_an_integrity_and_its_licence():
    for package in LOCK["packages"]:
        assert package["integrity"].startswith("sha512-")
        assert package["licence"] in {"Apache-2.0", "0BSD"}
        assert any(file["to"].endswith("LICENSE") for file in package["files"])
