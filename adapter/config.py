"""Where settings come from: one name in the environment and one flag on the command line each.

The only module that reads the environment. What can be set is declared in `settings`.
"""

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapter.errors import SettingsError

PROJECT_DIR = Path(__file__).resolve().parent.parent
FIRST_HANDED_OVER = 3  # sd_listen_fds(3): SD_LISTEN_FDS_START
ENVIRONMENT_PREFIX = "CAPTION_"
# What a Python needs to find itself and its libraries, and what coverage needs to follow it.
WORKER_VARIABLES = ("PATH", "PYTHON", "LD_LIBRARY_PATH", "LANG", "LC_", "TMPDIR", "MALLOC_", "COV")


def described(what: str, default: Any = None, **bounds: Any) -> Any:
    """Declares a setting with what `--help` says about it."""
    return Field(default, description=what, **bounds)


class SettingsGroup(BaseSettings):
    """Settings that belong together.

    Each field is `CAPTION_<NAME>` in the environment and `--<name>` as a flag.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_ignore_empty=True, frozen=True, extra="ignore"
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Adds to each setting's description the variable that sets it."""
        super().__pydantic_init_subclass__(**options)
        for name, field in cls.model_fields.items():
            variable = f" [env: {environment_name(name)}]"
            field.description = (field.description or "").removesuffix(variable) + variable

    @classmethod
    def load(cls, flags: Mapping[str, Any] | None = None) -> Self:
        """Checks all settings, once. Flags that are given (not None) win over the environment.

        Raises SettingsError.
        """
        given = {name: value for name, value in (flags or {}).items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            raise settings_error(error, given) from error


def settings_error(error: ValidationError, flags: Iterable[str]) -> SettingsError:
    """Gives pydantic's first error with the name of the flag, or of the variable where no flag was given."""
    first = error.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    place = f"--{name.replace('_', '-')}" if name in flags else environment_name(name)
    return SettingsError(f"{place}: {first['msg']}")


def environment_name(setting: str) -> str:
    """Gives the variable of a setting: `CAPTION_MAX_MODEL_LEN` for `max_model_len`."""
    return f"{ENVIRONMENT_PREFIX}{setting.upper()}"


def engine_environment(settings: Mapping[str, Any]) -> dict[str, str]:
    """Gives the environment for launch_vllm.sh: this process's, with these settings in place of its own."""
    environment = dict(os.environ)
    for name, value in settings.items():
        environment.pop(environment_name(name), None)
        if value is not None:
            environment[environment_name(name)] = str(value)
    return environment


def worker_environment() -> dict[str, str]:
    """Gives the environment of a process that decodes images: no keys and no tokens, for files are hostile.

    The process may keep memory that it would take anew.
    """
    keep = str(64 * 2**20)
    inherited = {name: value for name, value in os.environ.items() if name.startswith(WORKER_VARIABLES)}
    return {"MALLOC_MMAP_THRESHOLD_": keep, "MALLOC_TRIM_THRESHOLD_": keep} | inherited


def quiet_ray() -> None:
    """Has Ray tell nobody of its use, in this process and in what it starts."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")  # else it warns of a later default


def guard_own_ray() -> None:
    """Gives a cluster that this process is to start a token of its own, which ends with it.

    Otherwise Ray would leave one in the home folder, and from then on guard other clusters by it.
    """
    if "RAY_AUTH_MODE" not in os.environ:
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def take_listener() -> int | None:
    """Gives the descriptor of a listening socket that whoever started this process has handed over.

    By systemd's protocol of socket activation, the first of its sockets; None where there is none. Children
    don't see it.
    """
    process, sockets = (os.environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS"))
    is_given = process == str(os.getpid()) and sockets.isdecimal() and int(sockets) > 0
    return FIRST_HANDED_OVER if is_given else None


def default_run_dir() -> Path:
    """Gives this user's folder for what lives as long as the machine is up."""
    temporary = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108
    return Path(temporary, f"joycaption-{os.getuid()}")


def default_state_dir() -> Path:
    """Gives this user's folder for logs, and for what a service keeps."""
    return Path(os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"), "joycaption")


def own_styles_path() -> Path:
    """Gives the path of the user's own styles."""
    folder = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(folder, "joycaption", "styles.json")


def listed(text: str | None) -> tuple[str, ...]:
    """Gives the parts of a setting that holds several, separated by commas."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
