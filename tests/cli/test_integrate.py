"""`joycaption integrate`."""

from pathlib import Path

import pytest

from adapter.cli.integrate import BASE_CLASS, MARKER, SOURCE
from adapter.policy import ExitCode
from tests.command import Command


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Gives what stands for a checkout of AI-Toolkit's."""
    checkout = tmp_path / "AI Toolkit"
    (checkout / BASE_CLASS).parent.mkdir(parents=True)
    (checkout / BASE_CLASS).touch()
    (checkout / "extensions/example").mkdir(parents=True)
    return checkout


def extensions(checkout: Path) -> list[str]:
    """Gives what is in the folder of extensions, hidden things too."""
    return sorted(path.name for path in (checkout / "extensions").iterdir())


async def test_the_extension_is_copied_replaced_and_removed(command: Command, checkout: Path) -> None:
    """Nothing else is touched, and nothing is left."""
    place = checkout / "extensions/joycaption"
    ended = await command.run("integrate", "ai-toolkit", checkout)
    assert ended.code == ExitCode.DONE
    assert "type: JoyCaption" in ended.output
    modules = {path.name for path in SOURCE.glob("*.py")}
    assert {path.name for path in place.iterdir()} == modules | {MARKER}
    (place / "of_an_older_version.py").touch()
    assert (await command.run("integrate", "ai-toolkit", checkout)).code == ExitCode.DONE
    assert {path.name for path in place.iterdir()} == modules | {MARKER}
    assert extensions(checkout) == ["example", "joycaption"]
    ended = await command.run("integrate", "ai-toolkit", checkout, "--remove")
    assert (ended.code, ended.output) == (ExitCode.DONE, f"{place} is removed\n")
    assert extensions(checkout) == ["example"]
    ended = await command.run("integrate", "ai-toolkit", checkout, "--remove")
    assert (ended.code, ended.output) == (ExitCode.DONE, f"{place} isn't there\n")


async def test_a_link_follows_updates(command: Command, checkout: Path) -> None:
    """It takes a copy's place, and the other way round; what it leads to stays."""
    place = checkout / "extensions/joycaption"
    for options, is_link in ((), False), (("--link",), True), (("--link",), True), ((), False):
        assert (await command.run("integrate", "ai-toolkit", checkout, *options)).code == ExitCode.DONE
        assert place.is_symlink() == is_link
        assert (place / "captioner.py").is_file()
    await command.run("integrate", "ai-toolkit", checkout, "--link")
    assert (await command.run("integrate", "ai-toolkit", checkout, "--remove")).code == ExitCode.DONE
    assert extensions(checkout) == ["example"]
    assert (SOURCE / "captioner.py").is_file()


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
async def test_what_others_put_there_stays(kind: str, command: Command, checkout: Path) -> None:
    """It is neither replaced nor removed."""
    place, elsewhere = checkout / "extensions/joycaption", checkout / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "__init__.py").touch()
    if kind == "folder":
        elsewhere.rename(place)
    elif kind == "file":
        place.touch()
    else:
        place.symlink_to(elsewhere)
    for options in (), ("--link",), ("--remove",):
        ended = await command.run("integrate", "ai-toolkit", checkout, *options)
        assert ended.code == ExitCode.WRONG_USAGE
        assert "wasn't put there by this command" in ended.errors
    assert extensions(checkout) == ["example", "joycaption"]
    assert kind == "file" or (place / "__init__.py").is_file()


async def test_other_folders_are_refused_with_what_to_do(command: Command, tmp_path: Path) -> None:
    """There are releases without captioner jobs, and a branch that starts this service by itself."""
    ended = await command.run("integrate", "ai-toolkit", tmp_path / "nothing")
    assert (ended.code, "is no checkout of AI-Toolkit" in ended.errors) == (ExitCode.WRONG_USAGE, True)
    old = tmp_path / "old"
    (old / "toolkit").mkdir(parents=True)
    (old / "run.py").touch()
    assert "update it by git pull" in (await command.run("integrate", "ai-toolkit", old)).errors
    section = old / "ui/src/components/CaptioningSection.tsx"
    section.parent.mkdir(parents=True)
    section.touch()
    assert "captioning_service" in (await command.run("integrate", "ai-toolkit", old)).errors
    assert not (old / "extensions").exists()
    ended = await command.run("integrate", "comfyui", old)
    assert (ended.code, ended.errors.count("\n")) == (ExitCode.WRONG_USAGE, 1)
    ended = await command.run("integrate", "ai-toolkit", old, "--link", "--remove")
    assert "--link and --remove can't be used together" in ended.errors
