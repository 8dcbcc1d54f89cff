"""The tree of errors, and what each class says of itself."""

import errno
import importlib
import os
import pkgutil
import re

import pytest

import adapter
import adapter.errors
from adapter.errors import (
    CaptionError,
    ImageTooLargeError,
    InternalError,
    InvalidApiKeyError,
    InvalidRequestError,
    LedgerError,
    LedgerUnavailableError,
    NotAnImageError,
    OutOfResourcesError,
    WrongFieldError,
)
from adapter.policy import ExitCode, Fault, Retry, is_shortage

LINE = re.compile(r"^( *)(\w+Error) +(\d{3})  (\w+) +(\w+)(?:  |$)")


def descendants(kind: type[CaptionError]) -> list[type[CaptionError]]:
    """Gives the class and all below it."""
    return [kind, *(below for child in kind.__subclasses__() for below in descendants(child))]


def import_all() -> None:
    """Imports all of our modules, so that each class is known to its parent."""
    for module in pkgutil.walk_packages(adapter.__path__, "adapter."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def test_tree_stands_in_one_module() -> None:
    """No other module defines an error of ours."""
    import_all()
    assert {kind.__module__ for kind in descendants(CaptionError)} == {"adapter.errors"}


def test_docstring_shows_each_class_with_its_policy() -> None:
    """The docstring has one line for each class, below its parent's, with what the class says of itself."""
    import_all()
    shown: dict[str, tuple[str, int, str, str]] = {}
    parents: list[str] = []
    for line in (adapter.errors.__doc__ or "").splitlines():
        if found := LINE.match(line):
            depth = len(found.group(1)) // 4
            name = found.group(2)
            parents[depth:] = [name]
            parent = parents[depth - 1] if depth else "Exception"
            shown[name] = (parent, int(found.group(3)), found.group(4), found.group(5))
    actual = {
        kind.__name__: (kind.__bases__[0].__name__, kind.status, kind.fault.value, kind.retry.value)
        for kind in descendants(CaptionError)
    }
    assert shown == actual


@pytest.mark.parametrize("kind", descendants(CaptionError), ids=lambda kind: kind.__name__)
def test_policy_is_consistent(kind: type[CaptionError]) -> None:
    """A client is asked to come back where the status is 503 and nowhere else; images are its own fault."""
    assert (kind.retry is Retry.LATER) == (kind.status == 503)
    if kind.fault is Fault.IMAGE:
        assert 400 <= kind.status < 500
    if kind.fault is Fault.ENGINE:
        assert kind.exit_code is ExitCode.ENGINE_GONE


def test_code_of_an_unexpected_error_says_that_it_is_internal() -> None:
    """Programs can tell a bug of ours from anything else."""
    assert InternalError().code == "internal_error"
    assert InternalError().status == 500


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (ImageTooLargeError, "image_too_large"),
        (InvalidApiKeyError, "invalid_api_key"),
        (NotAnImageError, "not_an_image"),
        (WrongFieldError, "invalid_request"),
    ],
)
def test_code_is_the_class_in_snake_case_unless_it_says_otherwise(
    kind: type[CaptionError], code: str
) -> None:
    """Programs tell errors apart by it, so it stays as it is while messages may change."""
    assert kind.code == code


def test_wrong_field_error_has_its_field_in_the_message() -> None:
    """The field is the project's own name for it, until a face gives it another."""
    error = WrongFieldError("length", "must be short")
    assert (str(error), error.message, error.field) == ("length must be short",) * 2 + ("length",)
    assert InvalidRequestError("The prompt is too long", "prompt").message == "The prompt is too long"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.EMFILE, True),
        (errno.ENFILE, True),
        (errno.ENOMEM, True),
        (errno.EAGAIN, True),
        (errno.ENOENT, False),
        (errno.EACCES, False),
        (errno.ENOSPC, False),
    ],
)
def test_is_shortage_tells_what_the_machine_lacks_from_what_was_asked(number: int, expected: bool) -> None:
    """A shortage passes, so a client may come back; a missing file stays missing."""
    assert is_shortage(OSError(number, os.strerror(number))) is expected


def test_out_of_resources_from_os_names_what_is_missing() -> None:
    """The message has the system's own word for it and no path, and the cause is kept for the log."""
    cause = OSError(errno.EMFILE, "Too many open files", "/secret/path")
    error = OutOfResourcesError.from_os(cause)
    assert error.message == "The service is short of resources (Too many open files); try again soon"
    assert error.__cause__ is cause


def test_ledger_errors_are_not_the_requests_fault() -> None:
    """A disk that fails is no bad request; a ledger that another run holds is the command's usage."""
    assert LedgerError.status == 500
    assert LedgerError.fault is Fault.MACHINE
    assert LedgerError.exit_code is ExitCode.SOME_FAILED
    assert LedgerUnavailableError.exit_code is ExitCode.WRONG_USAGE


def test_message_is_one_line_whatever_a_file_is_called() -> None:
    """A name may hold line ends, which would make several lines of the log out of one."""
    error = InvalidRequestError("Image not found: a\nb\r\u2028c")
    assert str(error) == "Image not found: a\\nb\\r\\u2028c"
