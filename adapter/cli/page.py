"""`joycaption page`: opens the page of a running service."""

import contextlib
import webbrowser
from typing import Annotated

from cyclopts import Parameter

from adapter.cli.option_group import option_group
from adapter.cli.results import print_result
from adapter.policy import ExitCode
from adapter.settings import Settings
from adapter.web.pages.session import Sessions, load_token


def page(
    *,
    open_browser: Annotated[
        bool, Parameter(name="--open", help="Open it; with --no-open only print the link.")
    ] = True,
    settings: Annotated[Settings | None, option_group("Settings", 1, show_default=True)] = None,
) -> ExitCode:
    """Open the service's page in a browser, and print its link. Host and port are the service's."""
    settings = settings or Settings.load()
    link = Sessions(load_token(settings.data_dir)).link(settings.host, settings.port)
    print_result(link)
    if open_browser:
        with contextlib.suppress(webbrowser.Error):  # there is none, and the link is printed
            webbrowser.open(link)
    return ExitCode.DONE
