"""`joycaption page`."""

from pathlib import Path

from adapter.policy import ExitCode
from adapter.web.pages.session import load_token
from tests.command import Command


async def test_page_prints_the_link_and_opens_it(command: Command, tmp_path: Path) -> None:
    """The browser is whatever the user's is."""
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    environment = {"CAPTION_DATA_DIR": str(tmp_path / "data"), "BROWSER": f"{browser} %s"}
    ended = await command.run("page", "--port", "5001", **environment)
    link = f"http://127.0.0.1:5001/#token={load_token(tmp_path / 'data')}"
    assert (ended.code, ended.output) == (ExitCode.DONE, f"{link}\n")
    assert (tmp_path / "opened").read_text() == link
    (tmp_path / "opened").unlink()
    assert (await command.run("page", "--no-open", "--port", "5001", **environment)).output == f"{link}\n"
    assert not (tmp_path / "opened").exists()
