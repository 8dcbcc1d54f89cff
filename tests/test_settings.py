"""The settings, their defaults and their checks."""

import os
from pathlib import Path

import pytest

from adapter.config import PROJECT_DIR, SettingsGroup, environment_name
from adapter.engine_settings import EngineSettings
from adapter.errors import SettingsError
from adapter.settings import (
    ImageSettings,
    OutputSettings,
    QualitySettings,
    RunSettings,
    ServiceSettings,
    Settings,
)

GROUPS: tuple[type[SettingsGroup], ...] = (
    EngineSettings,
    ImageSettings,
    OutputSettings,
    QualitySettings,
    ServiceSettings,
)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what the environment sets."""
    for name in Settings.model_fields:
        monkeypatch.delenv(environment_name(name), raising=False)


def test_settings_without_anything_have_the_contracts_address() -> None:
    """AI-Toolkit looks for the service there."""
    settings = Settings.load()
    assert (settings.host, settings.port) == ("127.0.0.1", 5000)
    assert settings.engine_url is None


def test_settings_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable counts as unset."""
    monkeypatch.setenv("CAPTION_HOST", "0.0.0.0")
    monkeypatch.setenv("CAPTION_PORT", "7000")
    monkeypatch.setenv("CAPTION_MODEL", "")
    settings = Settings.load()
    assert (settings.host, settings.port, settings.model) == ("0.0.0.0", 7000, None)


@pytest.mark.parametrize(
    ("flags", "place"),
    [
        ({"port": 70000}, "--port: "),
        ({"max_model_len": 1}, "--max-model-len: "),
        ({"engine_url": "ftp://x"}, "--engine-url: "),
        ({"engine_url": "unix:relative"}, "--engine-url: "),
        ({"engine_url": "http://"}, "--engine-url: "),
        ({"engine_args": "--seed '7"}, "--engine-args: "),
        ({"allowed_roots": "relative"}, "--allowed-roots: "),
        ({"allowed_roots": "/:/no/such/folder"}, "--allowed-roots: "),
        ({"api_key": ""}, "--api-key: "),
        ({"log_level": "loud"}, "--log-level: "),
        ({"prepare_workers": 0}, "--prepare-workers: "),
    ],
)
def test_settings_with_a_mistake_name_the_flag(flags: dict[str, object], place: str) -> None:
    """The message is one line, before anything is started."""
    with pytest.raises(SettingsError) as caught:
        Settings.load(flags)
    assert str(caught.value).startswith(place)
    assert "\n" not in str(caught.value)


def test_groups_have_no_setting_in_common() -> None:
    """Each setting belongs to one group, and together they are all."""
    names = [name for group in GROUPS for name in group.model_fields]
    assert len(names) == len(set(names))
    assert set(names) == set(Settings.model_fields)
    assert set(RunSettings.model_fields) == set(names) - set(ServiceSettings.model_fields)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_groups_describe_each_setting_in_a_sentence(group: type[SettingsGroup]) -> None:
    """`--help` shows the description with the variable, and the group's name before them."""
    assert (group.__doc__ or "").strip()
    for name, field in group.model_fields.items():
        sentence, _, variable = (field.description or "").rpartition(" ")
        assert sentence.removesuffix(" [env:").endswith("."), name
        assert variable == f"{environment_name(name)}]"


def test_key_is_in_no_output_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever logs the settings doesn't log the key, and an empty variable is no key."""
    settings = Settings.load({"api_key": "secret"})
    assert settings.key == "secret"
    assert "secret" not in repr(settings)
    assert "secret" not in settings.model_dump_json()
    monkeypatch.setenv("CAPTION_API_KEY", "")
    assert Settings.load().key is None


def test_image_hosts_and_origins_are_separated_by_commas() -> None:
    """Blanks and empty places don't matter."""
    settings = Settings.load(
        {"allowed_image_hosts": " a.example, b.example:8080,", "allowed_origins": "https://a,https://b"}
    )
    assert settings.image_hosts == ("a.example", "b.example:8080")
    assert settings.origins == ("https://a", "https://b")
    assert Settings.load().image_hosts == Settings.load().origins == ()


def test_roots_tell_any_folder_from_none_and_from_some(tmp_path: Path) -> None:
    """A root that is a link counts with what it leads to, because that is where its files are found."""
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    assert Settings.load().roots is None
    assert Settings.load({"allowed_roots": "none"}).roots == ()
    folders = os.pathsep.join((str(link), "", str(tmp_path)))
    assert Settings.load({"allowed_roots": folders}).roots == (str(link), str(tmp_path), str(real))


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://engine.example/", "unix:/run/e.sock"])
def test_engine_url_may_be_over_tcp_or_a_socket(url: str) -> None:
    """A slash at its end makes no difference."""
    assert Settings.load({"engine_url": url}).engine_url == url.rstrip("/")


def test_engine_args_may_hold_quotations() -> None:
    """They are split as a shell would split them, and the default is none."""
    assert EngineSettings.load({"engine_args": "--seed '7 8'"}).engine_args == "--seed '7 8'"
    assert not EngineSettings.load().engine_args


def test_for_launch_holds_what_the_script_reads() -> None:
    """Each of these variables stands in launch_vllm.sh or in the module that it asks."""
    script = (PROJECT_DIR / "launch_vllm.sh").read_text()
    asked = (PROJECT_DIR / "adapter/engine/flags.py").read_text()
    settings = Settings.load({"model": "mine", "tensor_parallel": 2})
    assert settings.for_launch["model"] == "mine"
    assert settings.for_launch["tensor_parallel"] == 2
    for name in settings.for_launch:
        assert environment_name(name) in script + asked


def test_chat_body_has_room_for_the_largest_image() -> None:
    """Base64 makes four bytes of three."""
    settings = Settings.load({"max_body_bytes": 1000, "max_file_bytes": 3000})
    assert settings.max_image_url_bytes >= 4000


def test_readme_has_every_setting() -> None:
    """Each setting has a line with its flag and its variable."""
    readme = (PROJECT_DIR / "README.md").read_text()
    for name in Settings.model_fields:
        assert f"| `--{name.replace('_', '-')}` | `{environment_name(name)}` |" in readme
