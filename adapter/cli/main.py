"""The list of commands, and how their errors end the program.

Each command's module is imported when that command runs, so that help comes at once.
"""

import sys
from collections.abc import Sequence

import cyclopts
from pydantic import ValidationError

from adapter.errors import CaptionError, InvalidRequestError
from adapter.policy import ExitCode

COMMANDS = {
    "serve": "Serve captions over HTTP, with an engine that starts and stops along with the service.",
    "caption": "Caption folders of images: a text file beside each. Goes on where it was when run again.",
    "plan": "Tell how large a dataset is, and what captioning it will take. Needs no engine.",
    "page": "Open the service's page in a browser, and print its link.",
    "undo": "Put back the texts that a run replaced, but not over later changes.",
    "check": "Find bad texts beside a dataset's images, whoever wrote them. Needs no engine.",
    "integrate": "Let AI-Toolkit's captioner jobs use this service.",
    "status": "Show what was captioned in a dataset, and what failed and why.",
}


app = cyclopts.App(
    name="joycaption",
    help="Captions images with JoyCaption on vLLM.",
    help_format="plaintext",
    version_flags=[],
    result_action="return_value",
)
for _name, _help in COMMANDS.items():
    app.command(f"adapter.cli.{_name}:{_name}", name=_name, help=_help)


def run(arguments: Sequence[str] | None = None) -> None:
    """Runs the command that the arguments name, and exits with its code.

    Our own errors, and mistakes in the arguments, are told in one line. Without arguments there is help.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    if not given:
        app.help_print(console=app.error_console)
        sys.exit(ExitCode.WRONG_USAGE)
    try:
        code = app(given, print_error=False, exit_on_error=False)
    except cyclopts.CycloptsError as error:
        _end(_usage_error(error, given))
    except CaptionError as error:
        _end(error)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    sys.exit(code or ExitCode.DONE)


def _usage_error(error: cyclopts.CycloptsError, given: Sequence[str]) -> CaptionError:
    """Gives our error for a mistake in the arguments, or in a setting that the environment holds."""
    if isinstance(error, cyclopts.UnknownCommandError):
        # Its own text would import all commands.
        unknown = (error.unused_tokens or given)[0]
        return InvalidRequestError(f"There is no command {unknown}. The commands are {', '.join(COMMANDS)}")
    if isinstance(error.__cause__, ValidationError):
        from adapter.config import settings_error

        flags = {word[2:].partition("=")[0].replace("-", "_") for word in given if word.startswith("--")}
        return settings_error(error.__cause__, flags)
    return InvalidRequestError(" ".join(str(error).split()))


def _end(error: CaptionError) -> None:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
