import io
import subprocess
import sys
import zipfile

from proxyd.launcher_file import launcher_file


def test_python_runs_it_with_nothing_installed(tmp_path):
    """-I and -S: no site-packages, where this tree is."""
    file = tmp_path / "proxyd-launcher.pyz"
    file.write_bytes(launcher_file())
    argv = [sys.executable, "-I", "-S", file, "--help"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "proxyd-launcher register" in done.stdout


def test_it_is_the_same_on_every_node_and_holds_nothing_of_the_server():
    launcher_file.cache_clear()
    once = launcher_file()
    launcher_file.cache_clear()
    assert launcher_file() == once
    names = zipfile.ZipFile(io.BytesIO(once)).namelist()
    assert "clients/launcher/cli.py" in names
    assert all(name == "__main__.py" or name.startswith("clients/") for name in names)
