"""What can go wrong, as one tree. Raised anywhere, rendered once by each face.

CaptionError                    everything below; `status` is HTTP's, `retryable` says whether to try again
    SettingsError               the service can't start like this                        500
    InvalidRequestError         the request itself is wrong; `field` names what          400
        UnknownStyleError       no style or caption type of that name                    400
    InvalidApiKeyError          a key is wanted, and none or another was sent            401
    ModelNotFoundError          /v1 knows no model of that name                          404
    ForeignRequestError         it comes from a web page that is not ours                403
    FileNotAllowedError         the path lies outside what may be read                   403
    FileMissingError            there is no such file                                    404
    SlowClientError             the body didn't come in time                             408
    RequestTooLargeError        the body is larger than the limit                        413
    ContentTypeError            the body is of another kind than is wanted               415
    ImageError                  the file can't become pixels                             422
        NotAnImageError         none of the formats that are read                        422
        ImageDamagedError       it begins like an image and can't be decoded             422
        ImageTooLargeError      more bytes or pixels than the limit                      422
    OutOfResourcesError         the machine is short of something at the moment          503, retry
    EngineError                 the engine answered, but not with a caption              502
        EngineRefusedError      it found the request itself wrong                        502
        EngineUnavailableError  there is no engine to ask at the moment                  503, retry
            EngineNotReadyError it is installing, loading or failing its self-check      503, retry
            EngineBusyError     too much waits already                                   503, retry
            StoppingError       the service is on its way down                           503, retry
        EngineTimeoutError      it took longer than allowed                              504

A message is one line that is safe to show to a client: it says what to do, holds no path that the
client didn't send and no text of a library. Details for the log go into the exception's cause.
"""

import errno
import re


class CaptionError(Exception):
    """Anything this project reports. `str(error)` is the public message.

    `field` is the field of the request at fault, None when it is the whole or isn't known here.
    """

    status = 500
    retryable = False
    retry_after_s = 5

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field

    @property
    def code(self) -> str:
        """The class's name for programs: `ImageTooLargeError` gives `image_too_large`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__.removesuffix("Error")).lower()


class SettingsError(CaptionError):
    """A setting, a flag or styles.json is wrong."""


class InvalidRequestError(CaptionError):
    """A request that no retry mends."""

    status = 400


class UnknownStyleError(InvalidRequestError):
    """A style that neither the styles nor the caption types know."""


class InvalidApiKeyError(CaptionError):
    """A key is wanted, and none or another was sent."""

    status = 401


class ModelNotFoundError(CaptionError):
    """No model of that name is served."""

    status = 404


class ForeignRequestError(CaptionError):
    """A browser sent it for a page that has no business here."""

    status = 403


class FileNotAllowedError(CaptionError):
    """A path outside the allowed roots; says the same whether or not it exists."""

    status = 403


class FileMissingError(CaptionError):
    """No file under that path."""

    status = 404


class SlowClientError(CaptionError):
    """A body that doesn't come."""

    status = 408


class RequestTooLargeError(CaptionError):
    """A body beyond the limit."""

    status = 413


class ContentTypeError(CaptionError):
    """A body that doesn't say that it is JSON."""

    status = 415


class ImageError(CaptionError):
    """A file that can't become pixels."""

    status = 422


class NotAnImageError(ImageError):
    """None of the formats that are read."""


class ImageDamagedError(ImageError):
    """Begins like an image and can't be decoded."""


class ImageTooLargeError(ImageError):
    """More bytes or pixels than the limit."""


class OutOfResourcesError(CaptionError):
    """The machine has no descriptors, memory or processes left at the moment."""

    status = 503
    retryable = True

    @classmethod
    def from_os(cls, error: OSError) -> "OutOfResourcesError":
        """With the system's own word for what is missing."""
        found = cls(f"The service is short of resources ({error.strerror}); try again soon")
        found.__cause__ = error
        return found


def is_shortage(error: OSError) -> bool:
    """Whether it is about what the machine lacks, rather than about what was asked of it."""
    return error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)


class EngineError(CaptionError):
    """The engine answered, but not with a caption."""

    status = 502


class EngineRefusedError(EngineError):
    """The engine found the request wrong: what was sent doesn't fit the served model."""


class EngineUnavailableError(EngineError):
    """There is no engine to ask at the moment."""

    status = 503
    retryable = True


class EngineNotReadyError(EngineUnavailableError):
    """The engine is installing, loading or failing its self-check."""


class EngineBusyError(EngineUnavailableError):
    """Too much waits already."""

    retry_after_s = 2


class StoppingError(EngineUnavailableError):
    """The service is on its way down."""

    def __init__(self) -> None:
        super().__init__("The service is shutting down")


class EngineTimeoutError(EngineError):
    """The engine took longer than allowed."""

    status = 504
