"""The command line: `python -m adapter serve`."""

import inspect
import logging
import sys
from collections.abc import Callable
from typing import Annotated, Any, get_args

import typer

from adapter.config import Settings, environment_name
from adapter.errors import SettingsError
from adapter.prompts import PromptBook
from adapter.web.app import serve as serve_app

LOG_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"

app = typer.Typer(
    help="Captions images with JoyCaption on vLLM.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def main() -> None:
    """Captions images with JoyCaption on vLLM."""


def with_settings(command: Callable[[Settings], None]) -> Callable[..., None]:
    """`command` with one option for each field of Settings, so that none is written down twice."""

    def run(**flags: Any) -> None:
        command(Settings.load(flags))

    parameters = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f" [default: {field.default}]"
        option = typer.Option(
            help=f"{field.description}{default} [env: {environment_name(name)}]", show_default=False
        )
        parameters.append(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[_optional(field.annotation), option],
            )
        )
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__name__ = command.__name__
    run.__doc__ = command.__doc__
    return run


def _optional(annotation: Any) -> Any:
    choices = get_args(annotation)
    return annotation if type(None) in choices else annotation | None


@app.command()
@with_settings
def serve(settings: Settings) -> None:
    """Serve captions over HTTP, with an engine that is started and stopped along."""
    logging.basicConfig(level=settings.log_level.upper(), format=LOG_FORMAT, stream=sys.stderr)
    serve_app(settings, PromptBook.load(settings.styles_file))


def run() -> None:
    """The command line, with our own errors as one line and exit code 2."""
    try:
        app(prog_name="python -m adapter")
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    run()
