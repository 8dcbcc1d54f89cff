"""The command line: `joycaption serve`, `joycaption caption`, `joycaption status`."""

import inspect
import resource
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from adapter.chat import SamplingParameters
from adapter.config import Settings, environment_name
from adapter.dataset import command
from adapter.dataset.command import Options
from adapter.dataset.plan import Policy
from adapter.dataset.recipe import Recipe, Wording, make_recipes
from adapter.dataset.run import Conditions
from adapter.dataset.scan import Shard
from adapter.dataset.sidecar import Existing, Naming
from adapter.dataset.sources import Selection
from adapter.errors import InvalidRequestError, SettingsError
from adapter.logs import configure
from adapter.prompts import PromptBook
from adapter.web.app import serve as serve_app

MOST_DESCRIPTORS = 65_536  # plenty for thousands of requests in flight

# What only the service has a use for.
SERVICE_SETTINGS = set(
    "host port api_key insecure preload max_queue drain_s plain_answer_s keep_alive_s allowed_roots "
    "allowed_origins allowed_image_hosts image_fetch_s max_body_bytes max_queue_bytes client_timeout_s "
    "engine_wait_s log_captions".split()
)

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


def with_settings(fields: Iterable[str]) -> Callable[[Callable[..., int | None]], Callable[..., None]]:
    """Gives a command one option for each of these fields of Settings, so that none is written down twice.

    The command gets them as `settings`, after its own parameters; what it returns is the exit code.
    """

    def wrap(command: Callable[..., int | None]) -> Callable[..., None]:
        declared = inspect.signature(command).parameters.values()
        own = [parameter for parameter in declared if parameter.name != "settings"]

        def run(**values: Any) -> None:
            arguments = {parameter.name: values.pop(parameter.name) for parameter in own}
            code = command(**arguments, settings=Settings.load(values))
            if code:
                raise typer.Exit(code)

        parameters = [*own, *(_setting_option(name) for name in fields)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        run.__name__ = command.__name__
        run.__doc__ = command.__doc__
        return run

    return wrap


def _setting_option(name: str) -> inspect.Parameter:
    field = Settings.model_fields[name]
    default = "" if field.default is None else f" [default: {field.default}]"
    option = typer.Option(
        help=f"{field.description}{default} [env: {environment_name(name)}]",
        show_default=False,
        rich_help_panel="Settings",
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[_optional(field.annotation), option],
    )


def _optional(annotation: Any) -> Any:
    choices = get_args(annotation)
    return annotation if type(None) in choices else annotation | None


@app.command()
@with_settings(Settings.model_fields)
def serve(settings: Settings) -> None:
    """Serve captions over HTTP, with an engine that is started and stopped along."""
    configure(settings.log_level, settings.log_format)
    raise_descriptor_limit()
    serve_app(settings, PromptBook.load(settings.styles_file))


@app.command()
@with_settings(sorted(set(Settings.model_fields) - SERVICE_SETTINGS))
def caption(
    datasets: Annotated[list[str] | None, typer.Argument(help="Folders and image files.")] = None,
    *,
    from_file: Annotated[
        str, typer.Option(help="A list of image files, a path a line; - reads it from standard input.")
    ] = "",
    recursive: Annotated[bool, typer.Option(help="Folders in folders too.")] = True,
    shard: Annotated[str, typer.Option(help="Only the i-th of K shares of the images, as i/K.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Caption at most so many images.")] = None,
    style: Annotated[str, typer.Option(help="A style of styles.json, or a caption type.")] = "",
    styles: Annotated[str, typer.Option(help="Several, separated by commas: image.STYLE.txt for each.")] = "",
    caption_type: Annotated[str, typer.Option(help="A caption type of JoyCaption.")] = "",
    length: Annotated[
        str,
        typer.Option(help="any, very short, short, medium-length, long, very long, or a number of words."),
    ] = "",
    option: Annotated[
        list[str] | None, typer.Option(help="A sentence to append to the prompt; may be given several times.")
    ] = None,
    name: Annotated[str, typer.Option(help="What {name} stands for in options.")] = "",
    prompt: Annotated[str, typer.Option(help="A prompt of your own.")] = "",
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="A JSON or YAML list of prompts, of which each image gets one: texts, or text and weight."
        ),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0.0, max=2.0, help="0 always takes the likeliest token.")
    ] = None,
    top_p: Annotated[float | None, typer.Option(min=0.0, max=1.0)] = None,
    top_k: Annotated[int | None, typer.Option(min=0, help="0 is no cut.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, max=2048)] = None,
    seed: Annotated[int | None, typer.Option(help="Makes the same texts on every run.")] = None,
    prefix: Annotated[str, typer.Option(help="Written before each caption.")] = "",
    suffix: Annotated[str, typer.Option(help="Written behind it.")] = "",
    trigger: Annotated[str, typer.Option(help="A word put first, unless the text begins with it.")] = "",
    extension: Annotated[str, typer.Option(help="What the texts' files end in.")] = ".txt",
    full_name: Annotated[bool, typer.Option("--full-name", help="a.png.txt rather than a.txt.")] = False,
    existing: Annotated[Existing, typer.Option(help="What becomes of texts that are there.")] = Existing.SKIP,
    overwrite_edited: Annotated[
        bool, typer.Option("--overwrite-edited", help="Replace even texts that were edited by hand.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="All texts in one file: metadata.jsonl, or *.parquet.")
    ] = None,
    sidecar: Annotated[bool, typer.Option(help="A text file beside each image.")] = True,
    ledger: Annotated[
        Path | None,
        typer.Option(help="Where to keep what was done; by default in .joycaption in the dataset."),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Only the images that failed before.")
    ] = False,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Images under way at one time; by default as the engine needs.")
    ] = None,
    engine_patience: Annotated[
        float, typer.Option(min=0.0, help="How long to wait for an engine that is away, in seconds.")
    ] = 600.0,
    report: Annotated[Path | None, typer.Option(help="A CSV file for all failures.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    settings: Settings,
) -> int:
    """Caption folders of images: a text file beside each. Goes on where it was when it is run again."""
    level = settings.log_level if "log_level" in settings.model_fields_set else "error"
    configure(level, settings.log_format)
    raise_descriptor_limit()
    if not sidecar and output is None:
        raise InvalidRequestError("--no-sidecar leaves no place for the texts: add --output FILE")
    if not sidecar and existing in (Existing.APPEND, Existing.PREPEND):
        raise InvalidRequestError(f"--existing {existing} is for sidecars")
    if top_p == 0.0:
        raise InvalidRequestError("--top-p must be more than 0")
    book = PromptBook.load(settings.styles_file)
    defaults = SamplingParameters.from_defaults(book.sampling)
    sampling = replace(
        defaults,
        temperature=defaults.temperature if temperature is None else temperature,
        top_p=top_p or defaults.top_p,
        top_k=defaults.top_k if top_k is None else top_k or None,
        max_tokens=max_tokens or defaults.max_tokens,
    )
    wording = Wording(
        prompt=prompt,
        prompts_file=prompts,
        style=style,
        styles=tuple(one.strip() for one in styles.split(",") if one.strip()),
        caption_type=caption_type,
        length=length,
        options=option or (),
        name=name,
    )
    recipe = Recipe(
        "", (), book.system_prompt, sampling, seed, prefix, suffix, trigger, settings.exact_pixels
    )
    naming = Naming(extension, full_name) if sidecar else Naming("", full_name=True)
    options = Options(
        selection=Selection(
            datasets or (), from_file, recursive, Shard.parse(shard) if shard else None, ledger
        ),
        recipes=make_recipes(wording, book, recipe),
        policy=Policy(naming, existing, sidecar, overwrite_edited),
        conditions=Conditions(engine_patience, limit, engine_first=existing is not Existing.SKIP),
        concurrency=concurrency,
        retry_failed=retry_failed,
        output=output,
        report=report,
        as_json=as_json,
    )
    return command.dry_run(options) if dry_run else command.caption(options, settings, book)


@app.command()
def status(
    dataset: Annotated[str, typer.Argument(help="The dataset's folder, or a ledger.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """What was captioned in a dataset, and what failed and why."""
    command.status(dataset, as_json=as_json)


def raise_descriptor_limit() -> None:
    """To what this process may have: a request takes up to four, and the usual 1024 are soon used up."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, MOST_DESCRIPTORS), hard))


def run() -> None:
    """The command line, with our own errors as one line and exit code 2."""
    try:
        app(prog_name=Path(sys.argv[0]).name if sys.argv[0].endswith("joycaption") else "python -m adapter")
    except (SettingsError, InvalidRequestError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    run()
