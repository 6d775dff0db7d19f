"""Log records of events: a machine word and facts, on one line, and the facts as attributes of the record.

A sender chooses ids, so a line feed in an id must not begin a log line of its own. The module configures no
logging; `JsonLines` is for the program that owns the process.
"""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_LONGEST = 100
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def in_log(name: object) -> str:
    """A value for ``key=value``: the text itself if it is one ASCII word, else its beginning as JSON."""
    text = str(name)
    is_word = 0 < len(text) <= _LONGEST and text.isascii() and text.isprintable()
    return text if is_word and not set(text) & {" ", '"'} else json.dumps(text[:_LONGEST])


def log_event(
    log: logging.Logger,
    level: int,
    event: str,
    /,
    *,
    raised: BaseException | None = None,
    **facts: str | int | None,
) -> None:
    """Log an event: ``event key=value …``, with ``event`` and the facts as attributes of the record.

    Args:
        raised: logged with its traceback, which quotes what the error says.
        facts: neither content, nor an address; those that are None are left out.
    """
    if not log.isEnabledFor(level):
        return
    said = {name: value for name, value in facts.items() if value is not None}
    line = " ".join([event, *(f"{name}={in_log(value)}" for name, value in said.items())])
    log.log(level, "%s", line, extra={"event": event, **said}, exc_info=raised, stacklevel=2)


def facts_of(record: logging.LogRecord) -> Mapping[str, Any]:
    """What a record has besides what every record has: the event and its facts."""
    return {name: value for name, value in vars(record).items() if name not in _OWN}


class JsonLines(logging.Formatter):
    """Formats each record as one JSON object on one line.

    ``time`` (ISO 8601, UTC), ``level`` and ``logger`` come first. A record of ours has ``event`` and its facts;
    any other record has ``message``. ``traceback`` is there where the record has one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its line feed."""
        time = datetime.fromtimestamp(record.created, UTC)
        said: dict[str, object] = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            **facts_of(record),
        }
        if "event" not in said:
            said["message"] = record.getMessage()
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, default=str)
