"""Where the texts of folders go, by the options: beside the images, into the ledger, and into one file."""

from adapter.cli.caption_options import TextOptions
from adapter.dataset.dataset_layout import TEXT, DatasetLayout
from adapter.dataset.decide import Existing
from adapter.dataset.texts.in_ledger import TextsInLedger
from adapter.dataset.texts.sidecars import Sidecars
from adapter.dataset.texts.text_store import Texts
from adapter.errors import InvalidRequestError


def texts_for(written: TextOptions, *, follow_links: bool) -> Texts:
    """Gives the place of the texts. Raises InvalidRequestError."""
    if written.sidecar:
        return Sidecars(
            written.existing,
            written.extension,
            written.full_name,
            written.overwrite_edited,
            follow_links=follow_links,
        )
    if not written.output:
        raise InvalidRequestError("--no-sidecar leaves no place for the texts: add --output FILE")
    if written.existing in (Existing.APPEND, Existing.PREPEND):
        raise InvalidRequestError(f"--existing {written.existing} is for sidecars")
    return TextsInLedger(written.existing, written.overwrite_edited)


def layout_for(written: TextOptions) -> DatasetLayout:
    """Gives the layout of the file of `--output`. Raises InvalidRequestError where there is no such file."""
    given = {"--format": written.format is not None, "--text-column": bool(written.text_column)}
    for flag, is_given in given.items():
        if is_given and not written.output:
            raise InvalidRequestError(f"{flag} says how a file is written: add --output FILE")
    return DatasetLayout(written.format, written.text_column or TEXT)
