"""Everything that can go wrong, as one tree. An error is raised anywhere and rendered once, by each face.

Each line gives the HTTP status, whose fault it is and whether asking again helps (see `policy`), and what the
class stands for. A class takes from its parent what it doesn't state itself.

CaptionError                            500  machine  never
    InternalError                       500  machine  never    a bug of ours; the log has the details
    SettingsError                       500  request  never    the program can't start with these settings
    InvalidRequestError                 400  request  never    the request itself is wrong
        WrongFieldError                 400  request  never    one of its fields has a wrong value
        UnknownStyleError               400  request  never    no style or caption type has that name
        SidecarTakenError               400  request  never    another image has this text file already
        RemoteImageError                400  image    never    the image at a URL can't be fetched
    UnroutedRequestError                404  request  never    no endpoint takes this path and method
    InvalidApiKeyError                  401  request  never    a key is wanted, and none or another was sent
    ModelNotFoundError                  404  request  never    /v1 has no model of that name
    ForeignRequestError                 403  request  never    a web page that isn't ours sent the request
    FileNotAllowedError                 403  image    never    the path lies outside the allowed folders
    FileMissingError                    404  image    never    there is no such file
    SlowClientError                     408  request  never    the body didn't come in time
    ReleaseRefusedError                 409  request  never    the GPU can't be given back
    RequestTooLargeError                413  request  never    the body is larger than the limit
    ContentTypeError                    415  request  never    the body doesn't claim to be JSON
    ImageError                          422  image    never    the file can't become pixels
        NotAnImageError                 422  image    never    it has none of the formats that are read
        ImageDamagedError               422  image    never    it begins like an image and can't be decoded
        ImageTooLargeError              422  image    never    it has more bytes or pixels than the limit
    OutOfResourcesError                 503  machine  later    the machine is short of something
    WriteError                          500  machine  never    a text can't be read or written
    NothingWritableError                500  machine  never    the disk takes no more texts
    StoreError                          500  machine  never    a shard or its output can't be read or written
    LedgerError                         500  machine  never    the ledger can't be read or written
        LedgerUnavailableError          500  machine  never    the ledger can't be opened
    EngineError                         502  engine   now      the engine answered, but not with a caption
        EngineRefusedError              502  engine   never    it found the request itself wrong
        EmptyCaptionError               502  engine   now      the model wrote nothing
        BadCaptionError                 502  engine   never    all answers had flaws that spoil a training set
        EngineTimeoutError              504  engine   never    it took longer than allowed
        EngineGoneError                 502  engine   never    a run's patience with its engine has ended
        EngineUnavailableError          503  engine   later    there is no engine to ask at the moment
            EngineNotReadyError         503  engine   later    it is installing, loading or being checked
            EngineBusyError             503  engine   later    too much waits already
            StoppingError               503  engine   later    the service is shutting down
            ReleasedError               503  engine   later    the GPU was asked back meanwhile
            SelfCheckError              503  engine   later    it runs, and its answers can't be trusted

A message is one line that is safe to show to a client: it says what to do, and holds no path that the
client didn't send and no text of a library. Details for the log go into the exception's cause.
"""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from adapter.policy import EXIT_CODE_OF, ExitCode, Fault, Retry

# Everything that `str.splitlines` takes for an end of a line.
LINE_ENDS = {ord(end): ascii(end)[1:-1] for end in "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"}


class CaptionError(Exception):
    """Anything that this project reports. `str(error)` is the public message.

    `field` names the part of the request that is at fault; None stands for the whole, or for unknown. `code`
    is the class's name for programs: `ImageTooLargeError` has `image_too_large`.
    """

    status = 500
    fault: ClassVar = Fault.MACHINE
    retry: ClassVar = Retry.NEVER
    retry_after_s: ClassVar = 5
    code: ClassVar = "caption"
    exit_code: ClassVar = ExitCode.SOME_FAILED

    def __init_subclass__(cls, **stated: Any) -> None:
        """Takes what the class states in its first line; code and exit code follow from that."""
        super().__init_subclass__()
        for name, value in stated.items():
            if not hasattr(CaptionError, name):
                raise TypeError(f"{cls.__name__} states {name}, which no error has")
            setattr(cls, name, value)
        if "code" not in stated:
            cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__.removesuffix("Error")).lower()
        if "exit_code" not in stated:
            cls.exit_code = EXIT_CODE_OF[cls.fault]

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message, field)
        # It may name a file that a client or a dataset has named.
        self._message = message.translate(LINE_ENDS)
        self.field = field

    @property
    def message(self) -> str:
        return self._message

    def __str__(self) -> str:
        return self.message


class InternalError(CaptionError, code="internal_error"):
    def __init__(self) -> None:
        super().__init__("Internal error; the service's log has the details")


class SettingsError(CaptionError, fault=Fault.REQUEST): ...


class InvalidRequestError(CaptionError, status=400, fault=Fault.REQUEST): ...


class WrongFieldError(InvalidRequestError, code="invalid_request"):
    """The message is the field's name, which `field_names` makes the one that users know, and the problem."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem, field)

    @property
    def message(self) -> str:
        return f"{self.field} {self._message}"


class UnknownStyleError(InvalidRequestError): ...


class SidecarTakenError(InvalidRequestError): ...


class RemoteImageError(InvalidRequestError, fault=Fault.IMAGE): ...


class UnroutedRequestError(CaptionError, status=404, fault=Fault.REQUEST): ...


class InvalidApiKeyError(CaptionError, status=401, fault=Fault.REQUEST): ...


class ModelNotFoundError(CaptionError, status=404, fault=Fault.REQUEST): ...


class ForeignRequestError(CaptionError, status=403, fault=Fault.REQUEST): ...


class FileNotAllowedError(CaptionError, status=403, fault=Fault.IMAGE): ...


class FileMissingError(CaptionError, status=404, fault=Fault.IMAGE): ...


class SlowClientError(CaptionError, status=408, fault=Fault.REQUEST): ...


class ReleaseRefusedError(CaptionError, status=409, fault=Fault.REQUEST): ...


class RequestTooLargeError(CaptionError, status=413, fault=Fault.REQUEST): ...


class ContentTypeError(CaptionError, status=415, fault=Fault.REQUEST): ...


class ImageError(CaptionError, status=422, fault=Fault.IMAGE): ...


class NotAnImageError(ImageError): ...


class ImageDamagedError(ImageError): ...


class ImageTooLargeError(ImageError): ...


class OutOfResourcesError(CaptionError, status=503, retry=Retry.LATER):
    @classmethod
    def from_os(cls, error: OSError) -> "OutOfResourcesError":
        """Gives the error with the system's own word for what is missing."""
        found = cls(f"The service is short of resources ({error.strerror}); try again soon")
        found.__cause__ = error
        return found


class WriteError(CaptionError):
    """`number` is the system's errno, 0 where there is none."""

    def __init__(self, message: str, number: int = 0) -> None:
        super().__init__(message)
        self.number = number


class NothingWritableError(CaptionError): ...


class StoreError(CaptionError): ...


class LedgerError(CaptionError): ...


class LedgerUnavailableError(LedgerError, exit_code=ExitCode.WRONG_USAGE): ...


class EngineError(CaptionError, status=502, fault=Fault.ENGINE, retry=Retry.NOW): ...


class EngineRefusedError(EngineError, retry=Retry.NEVER): ...


class EmptyCaptionError(EngineError):
    def __init__(self) -> None:
        super().__init__("The model wrote nothing")


class BadCaptionError(EngineError, retry=Retry.NEVER):
    """`text` is the least bad of the answers, and `flaws` names what is wrong with it."""

    def __init__(self, text: str, flaws: Sequence[str], attempts: int) -> None:
        tries = "one attempt" if attempts == 1 else f"{attempts} attempts"
        super().__init__(f"No good caption in {tries}: {', '.join(flaws)}")
        self.text, self.flaws, self.attempts = text, tuple(flaws), attempts


# Another try would take as long, and hold up others.
class EngineTimeoutError(EngineError, status=504, retry=Retry.NEVER): ...


class EngineGoneError(EngineError, retry=Retry.NEVER): ...


class EngineUnavailableError(EngineError, status=503, retry=Retry.LATER): ...


class EngineNotReadyError(EngineUnavailableError): ...


class EngineBusyError(EngineUnavailableError, retry_after_s=2): ...


class StoppingError(EngineUnavailableError):
    def __init__(self) -> None:
        super().__init__("The service is shutting down")


class ReleasedError(EngineUnavailableError):
    def __init__(self) -> None:
        super().__init__("The GPU was given back while this was under way; ask again")


class SelfCheckError(EngineUnavailableError): ...
