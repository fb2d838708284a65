"""What starts often, or runs far away, loads nothing of the page."""

import subprocess
import sys

import pytest

HEAVY = "{'fastapi', 'starlette', 'uvicorn', 'jinja2', 'webauthn', 'authlib', 'httpx'}"


@pytest.mark.parametrize("module", ["proxyd.cli", "proxyd.engine_node", "proxyd.worker_node"])
def test_the_page_is_not_loaded(module: str) -> None:
    asked = f"import sys, {module}; print(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
