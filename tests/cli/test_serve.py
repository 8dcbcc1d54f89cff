"""The service's command. What it serves is tested in `web` and `e2e`."""

import pytest

from adapter.cli.serve import serve
from adapter.errors import SettingsError
from adapter.settings import Settings


def test_serve_refuses_settings_that_are_not_safe() -> None:
    """Nothing is started for an address that others can reach, without a key."""
    with pytest.raises(SettingsError, match="set CAPTION_API_KEY"):
        serve(settings=Settings.load({"host": "0.0.0.0", "port": 0}))
