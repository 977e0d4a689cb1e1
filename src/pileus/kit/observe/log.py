"""Logging: an event in plain words plus fields, one JSON line each in files and one readable line each on a terminal.

`log = log_of(__name__)`, then `log.info("server placed", server=id, host=name)`. The id of the request at hand is added by
itself. Secrets never get out: by the name of their field, and by value once `mask` has been told of them.
"""

import contextlib
import contextvars
import datetime as dt
import logging
import logging.handlers
import re
import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import msgspec

request_id: contextvars.ContextVar[str | None] = contextvars.ContextVar("request_id", default=None)

MASK = "***"
MOST_SECRETS = 10_000
SHORTEST_SECRET = 6  # masking shorter ones would riddle every line
_SECRET_KEY = re.compile(
    r"pass(word|phrase|wd)?$|secret|token(?!_id)|api_?key|private_?key|credential|admin_?pass|user_?data$|^authorization$",
    re.I,
)


class Secrets:
    """Values that must not appear in any log. The oldest are forgotten when there are too many."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, None] = OrderedDict()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        """From now on `value` is masked."""
        if len(value) < SHORTEST_SECRET:
            return
        if value in self._values:
            self._values.move_to_end(value)
            return
        self._values[value] = None
        if len(self._values) > MOST_SECRETS:
            self._values.popitem(last=False)
        self._pattern = None

    def masked(self, text: str) -> str:
        """Return the text without any secret value."""
        if not self._values:
            return text
        if self._pattern is None:
            # The longest first, so that a secret that contains another is masked whole.
            self._pattern = re.compile(
                "|".join(re.escape(value) for value in sorted(self._values, key=len, reverse=True))
            )
        return self._pattern.sub(MASK, text)


secrets = Secrets()


def mask(value: str) -> str:
    """From now on `value` appears in no log; returns it, so that it can be wrapped where it is made."""
    secrets.add(value)
    return value


@contextlib.contextmanager
def within_request(id: str | None) -> Iterator[None]:
    """What is logged inside belongs to this request."""
    token = request_id.set(id)
    try:
        yield
    finally:
        request_id.reset(token)


class Log:
    """Writes events of one module."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, /, **fields: object) -> None:
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        self._write(logging.ERROR, event, fields)

    def broke(self, event: str, error: BaseException, /, **fields: object) -> None:
        """Write an error with its traceback."""
        self._write(logging.ERROR, event, fields, error)

    def _write(self, level: int, event: str, fields: dict[str, object], error: BaseException | None = None) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", event, exc_info=error, extra={"fields": fields}, stacklevel=3)


def log_of(name: str) -> Log:
    """Return the log of a module."""
    return Log(name)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    given: object = getattr(record, "fields", None)
    fields = dict(given) if isinstance(given, dict) else {}
    if "request" not in fields and (id := request_id.get()) is not None:
        fields["request"] = id
    return {key: _clean(key, value) for key, value in fields.items()}


def _clean(key: str, value: object) -> object:
    if _SECRET_KEY.search(key) and value is not None:
        return MASK
    if isinstance(value, dict):
        return {str(inner): _clean(str(inner), held) for inner, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", held) for held in value]
    return value


class JsonLines(logging.Formatter):
    """One JSON object per event."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "from": record.name,
        }
        line |= {key if key not in line else f"{key}_": value for key, value in _fields(record).items()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return secrets.masked(msgspec.json.encode(line, enc_hook=str).decode())


class Readable(logging.Formatter):
    """One line per event for a person, and the traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        at = dt.datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        fields = " ".join(f"{key}={value}" for key, value in _fields(record).items())
        level = "" if record.levelno == logging.INFO else f"{record.levelname}: "
        line = f"{at} {level}{record.getMessage()}  {fields}".rstrip()
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return secrets.masked(line)


def set_up(
    *, level: str = "INFO", file: Path | None = None, terminal: TextIO | None = sys.stderr, json: bool = False
) -> None:
    """Everything logged in this process goes to the file (as JSON) and to the terminal (readable, unless `json`)."""
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.setLevel(level.upper())
    if terminal is not None:
        shown = logging.StreamHandler(terminal)
        shown.setFormatter(JsonLines() if json else Readable())
        root.addHandler(shown)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Watched, so that a log rotated by the system is opened anew.
        kept = logging.handlers.WatchedFileHandler(file, encoding="utf-8")
        kept.setFormatter(JsonLines())
        root.addHandler(kept)
