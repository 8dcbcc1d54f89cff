"""`joycaption serve`: the service, in the foreground."""

from typing import Annotated

from adapter.cli.files import load_book, raise_descriptor_limit
from adapter.cli.option_group import option_group
from adapter.logs import configure
from adapter.settings import Settings
from adapter.web.application import serve as serve_application


def serve(
    *, settings: Annotated[Settings | None, option_group("Settings", show_default=True)] = None
) -> None:
    """Serve captions over HTTP, with an engine that starts and stops along with the service."""
    settings = settings or Settings.load()
    configure(settings.log_level, settings.log_format)
    raise_descriptor_limit()
    serve_application(settings, load_book(settings.styles_file))
