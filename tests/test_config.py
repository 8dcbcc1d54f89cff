"""How settings are read from the environment and from flags, whatever they are."""

import os
from pathlib import Path

import pytest
from pydantic import Field

from adapter.config import (
    PROJECT_DIR,
    SettingsGroup,
    default_run_dir,
    default_state_dir,
    engine_environment,
    environment_name,
    worker_environment,
)
from adapter.errors import SettingsError


class Lamp(SettingsGroup):
    """A group with settings that no other module knows."""

    lamp_colour: str | None = Field(None, description="What it shines in.")
    lamp_watts: int = Field(5, ge=1, description="Its power.")


@pytest.fixture(autouse=True)
def no_lamp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what the environment says about lamps."""
    for name in Lamp.model_fields:
        monkeypatch.delenv(environment_name(name), raising=False)


def test_load_without_anything_gives_the_defaults() -> None:
    """Nothing has to be set."""
    assert Lamp.load() == Lamp(lamp_colour=None, lamp_watts=5)


def test_load_reads_the_environment_and_takes_empty_for_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start script may pass on variables that are empty."""
    monkeypatch.setenv("CAPTION_LAMP_WATTS", "7")
    monkeypatch.setenv("CAPTION_LAMP_COLOUR", "")
    assert Lamp.load() == Lamp(lamp_colour=None, lamp_watts=7)


def test_load_with_a_flag_prefers_it_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag that isn't given is None, and leaves the variable in place."""
    monkeypatch.setenv("CAPTION_LAMP_WATTS", "7")
    monkeypatch.setenv("CAPTION_LAMP_COLOUR", "red")
    assert Lamp.load({"lamp_watts": 8, "lamp_colour": None}) == Lamp(lamp_colour="red", lamp_watts=8)


def test_load_ignores_flags_of_other_groups() -> None:
    """A command hands all of its flags to each group that it uses."""
    assert Lamp.load({"lamp_watts": 8, "door": "open"}).lamp_watts == 8


@pytest.mark.parametrize(
    ("flags", "variable", "place"),
    [
        ({"lamp_watts": 0}, "", "--lamp-watts: "),
        ({"lamp_watts": 0}, "7", "--lamp-watts: "),
        ({}, "many", "CAPTION_LAMP_WATTS: "),
        ({"lamp_colour": "red"}, "0", "CAPTION_LAMP_WATTS: "),
    ],
)
def test_load_of_a_mistake_names_the_flag_or_the_variable(
    monkeypatch: pytest.MonkeyPatch, flags: dict[str, object], variable: str, place: str
) -> None:
    """The message is one line that names the place where the user wrote it."""
    monkeypatch.setenv("CAPTION_LAMP_WATTS", variable)
    with pytest.raises(SettingsError) as caught:
        Lamp.load(flags)
    assert str(caught.value).startswith(place)
    assert "\n" not in str(caught.value)


def test_loaded_settings_can_not_be_changed() -> None:
    """What was checked once stays as it is."""
    with pytest.raises(ValueError, match="frozen"):
        Lamp.load().lamp_watts = 6  # type: ignore[misc]


def test_description_of_a_setting_names_its_variable_once() -> None:
    """Also in a group that is put together from others."""

    class Room(Lamp):
        """A group with all settings of another one."""

    for group in (Lamp, Room):
        description = group.model_fields["lamp_watts"].description
        assert description == "Its power. [env: CAPTION_LAMP_WATTS]"


def test_engine_environment_replaces_what_the_script_would_see(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag wins over a variable, and a setting that is unset hides one; all else is passed on."""
    monkeypatch.setenv("CAPTION_MODEL", "other")
    monkeypatch.setenv("CAPTION_QUANTIZATION", "fp8")
    monkeypatch.setenv("CAPTION_LAMP_COLOUR", "red")
    environment = engine_environment({"model": "mine", "quantization": None, "venv_dir": Path("/v")})
    assert environment["CAPTION_MODEL"] == "mine"
    assert environment["CAPTION_VENV_DIR"] == "/v"
    assert "CAPTION_QUANTIZATION" not in environment
    assert environment["CAPTION_LAMP_COLOUR"] == "red"
    assert environment["PATH"] == os.environ["PATH"]


def test_worker_environment_lets_the_users_own_values_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory settings are only defaults."""
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "7")
    environment = worker_environment()
    assert environment["MALLOC_MMAP_THRESHOLD_"] == "7"
    assert int(environment["MALLOC_TRIM_THRESHOLD_"]) > 2**20
    assert environment["PATH"] == os.environ["PATH"]


def test_worker_environment_has_no_keys_and_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever they are called: only what Python needs is handed on."""
    for name in ("CAPTION_API_KEY", "HF_TOKEN", "ANY_SECRET"):
        monkeypatch.setenv(name, "x")
    assert not {"CAPTION_API_KEY", "HF_TOKEN", "ANY_SECRET"} & set(worker_environment())


def test_default_folders_follow_the_freedesktop_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each user has folders to himself, wherever the system keeps them."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_run_dir() == Path(f"/run/user/7/joycaption-{os.getuid()}")
    assert default_state_dir() == Path("/state/joycaption")
    for name in ("XDG_RUNTIME_DIR", "TMPDIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert default_run_dir() == Path(f"/tmp/joycaption-{os.getuid()}")
    assert default_state_dir() == Path.home() / ".local/state/joycaption"


def test_project_dir_holds_the_launch_script() -> None:
    """What is started from there is found from any working directory."""
    assert (PROJECT_DIR / "launch_vllm.sh").is_file()
