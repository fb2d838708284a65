"""Whatever is written as settings: it is used, or the place of the mistake is named."""

import json
import tempfile
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigError
from config.load import load
from config.model import OnLoss, RecorderSettings, RelayKind, Settings, SSHSettings
from config.schema import ABOVE, KEYS
from config.show import show

keys = st.sampled_from([(table, key) for table in KEYS for key in [*KEYS[table], "mistake"]])
values = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    st.lists(st.sampled_from(["127.0.0.1:22", "[::1]:0", "nowhere"]), max_size=3),
)
addresses = st.builds("{}:{}".format, st.sampled_from(["h", "[::]"]), st.integers(0, 65535))
durations_s = st.floats(0.1, 10**6) | st.integers(1, 10**6)
settings_ = st.builds(
    Settings,
    state_dir=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(
        lambda name: Path("/") / name.replace("\0", "")
    ),
    ssh=st.builds(
        SSHSettings,
        listen=st.lists(addresses).map(tuple),
        login_timeout_s=durations_s,
        relay=st.sampled_from(RelayKind),
        source_penalties=st.booleans(),
    ),
    recorder=st.builds(
        RecorderSettings, chunk_interval_s=durations_s, on_loss=st.sampled_from(OnLoss)
    ),
)


def load_text(text: str) -> Settings:
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        return load(Path(file.name), {})


def complaint(text: str) -> str | None:
    try:
        load_text(text)
    except ConfigError as error:
        return str(error)
    return None


@given(keys, values)
def test_any_value_is_taken_or_its_place_is_named(place, value) -> None:
    table, key = place
    heading = f"[{table}]\n" if table != ABOVE else ""
    said = complaint(f"{heading}{key} = {json.dumps(value, ensure_ascii=False)}\n")
    assert said is None or f"`{key}`" in said
    assert said is None or table == ABOVE or f"[{table}]" in said


@given(st.text())
def test_any_text_is_settings_or_a_configuration_error(text: str) -> None:
    said = complaint(text.encode("utf-8", "replace").decode())
    assert said is None or ".toml: " in said


@given(settings_)
def test_what_is_shown_is_what_is_in_effect(settings: Settings) -> None:
    database = msgspec.structs.replace(settings.database, url=settings.database_url)
    effective = msgspec.structs.replace(settings, database=database)
    assert load_text(show(settings)) == effective
