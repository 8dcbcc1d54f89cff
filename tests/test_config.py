"""Settings from environment and flags."""

from pathlib import Path

import pytest

from adapter.config import ENGINE_SETTINGS, PROJECT_DIR, Settings, environment_name
from adapter.errors import SettingsError


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(environment_name(name), raising=False)


def test_load_without_anything_gives_the_contracts_address() -> None:
    """Where AI-Toolkit looks for the service."""
    settings = Settings.load()
    assert (settings.host, settings.port) == ("127.0.0.1", 5000)
    assert settings.engine_url is None


def test_load_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable counts as none."""
    monkeypatch.setenv("CAPTION_HOST", "0.0.0.0")
    monkeypatch.setenv("CAPTION_PORT", "7000")
    monkeypatch.setenv("CAPTION_MODEL", "")
    settings = Settings.load()
    assert (settings.host, settings.port, settings.model) == ("0.0.0.0", 7000, None)


def test_load_with_a_flag_prefers_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag that isn't given is None."""
    monkeypatch.setenv("CAPTION_PORT", "7000")
    assert Settings.load({"port": 8000, "host": None}).port == 8000


@pytest.mark.parametrize(
    ("flags", "variable", "value", "place"),
    [
        ({"port": 70000}, "", "", "--port: "),
        ({}, "CAPTION_PORT", "abc", "CAPTION_PORT: "),
        ({}, "CAPTION_MAX_MODEL_LEN", "1", "CAPTION_MAX_MODEL_LEN: "),
        ({"engine_url": "ftp://x"}, "", "", "--engine-url: "),
        ({"engine_url": "unix:relative"}, "", "", "--engine-url: "),
    ],
)
def test_load_of_a_mistake_names_the_place(
    monkeypatch: pytest.MonkeyPatch, flags: dict[str, object], variable: str, value: str, place: str
) -> None:
    """As the user wrote it: the flag or the variable."""
    if variable:
        monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        Settings.load(flags)
    assert str(caught.value).startswith(place)
    assert "\n" not in str(caught.value)


def test_the_key_is_in_no_output_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is an empty one a key."""
    settings = Settings.load({"api_key": "secret"})
    assert settings.key == "secret"
    assert "secret" not in repr(settings)
    monkeypatch.setenv("CAPTION_API_KEY", "")
    assert Settings.load().key is None


def test_image_hosts_are_separated_by_commas() -> None:
    """Blanks don't matter."""
    settings = Settings.load({"allowed_image_hosts": " a.example, b.example:8080,"})
    assert settings.image_hosts == ("a.example", "b.example:8080")
    assert Settings.load().image_hosts == ()


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://engine.example/", "unix:/run/e.sock"])
def test_load_takes_engine_urls(url: str) -> None:
    """Over TCP or a Unix socket."""
    assert Settings.load({"engine_url": url}).engine_url == url.rstrip("/")


def test_engine_environment_holds_the_settings_that_the_script_reads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A flag of ours must win over a variable that the script would see."""
    monkeypatch.setenv("CAPTION_MODEL", "other")
    monkeypatch.setenv("CAPTION_QUANTIZATION", "")
    environment = Settings.load({"model": "mine", "venv_dir": tmp_path}).engine_environment()
    assert environment["CAPTION_MODEL"] == "mine"
    assert environment["CAPTION_VENV_DIR"] == str(tmp_path)
    assert "CAPTION_QUANTIZATION" not in environment
    assert "PATH" in environment
    assert set(ENGINE_SETTINGS) <= set(Settings.model_fields)


def test_the_readme_has_every_setting() -> None:
    """With its flag and its variable."""
    readme = (PROJECT_DIR / "README.md").read_text()
    for name in Settings.model_fields:
        assert f"| `--{name.replace('_', '-')}` | `{environment_name(name)}` |" in readme
