"""What log lines look like: text for people, JSON for machines."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

MAX_SHOWN = 500  # characters of what a client sent
TEXT_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"

LogFormat = Literal["text", "json"]


class JSONFormatter(logging.Formatter):
    """Writes one object per line: time (UTC), level, logger, message, then the fields of `log_fields`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.msg.message if isinstance(record.msg, _Fields) else record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        line |= getattr(record, "fields", {})
        return orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z).decode()


def configure(level: str, form: LogFormat = "text") -> None:
    """Sets up logging to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter() if form == "json" else logging.Formatter(TEXT_FORMAT))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def log_fields(log: logging.Logger, level: int, message: str, fields: dict[str, Any]) -> None:
    """Logs `message` with fields: `name=value` after it in text, members of their own in JSON."""
    if not log.isEnabledFor(level):
        return
    log.log(level, _Fields(message, fields), extra={"fields": fields})


class _Fields:
    """A message whose fields are written out only where the log is text."""

    def __init__(self, message: str, fields: dict[str, Any]) -> None:
        self.message = message
        self._fields = fields

    def __str__(self) -> str:
        return " ".join([self.message, *(f"{name}={_shown(value)}" for name, value in self._fields.items())])


def shown(text: str) -> str:
    """Gives the beginning of a text on one line, whatever a client put into it."""
    some = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
    return some if some.isprintable() and " " not in some and some else ascii(some)


def _shown(value: Any) -> str:
    return shown(value) if isinstance(value, str) else str(value)
