"""Rules that are read again while a process runs. A folder with errors changes nothing."""

import logging
import os
from pathlib import Path

from whereupon.engine import Engine
from whereupon.errors import RulesInvalidError, Severity, StoreError
from whereupon.runtime.log_lines import log_event

_LOG = logging.getLogger("whereupon.run")


class RuleWatch:
    """Says whether a file below a folder has changed since it was last asked.

    It compares the names, sizes and times of files, which works on every file system, and needs no package.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = self._look()

    def has_changed(self) -> bool:
        """Whether a file was added, removed or written."""
        seen, self._seen = self._seen, self._look()
        return seen != self._seen

    def _look(self) -> frozenset[tuple[str, int, int]]:
        found = set()
        for root, _, names in os.walk(self._folder):
            for name in names:
                try:
                    status = Path(root, name).stat()
                except OSError:  # it has just been removed
                    continue
                found.add((str(Path(root, name)), status.st_mtime_ns, status.st_size))
        return frozenset(found)


def reload_rules(engine: Engine, folder: Path) -> bool:
    """Put the rules of the folder in use; with errors the old ones stay, and the errors are logged."""
    try:
        engine.reload(folder)
    except RulesInvalidError as error:
        for each in error.diagnostics:
            if each.severity is Severity.ERROR:
                log_event(
                    _LOG,
                    logging.ERROR,
                    "rules-invalid",
                    place=str(each.location),
                    code=each.code,
                    reason=each.message,
                )
        return False
    except StoreError as error:
        log_event(_LOG, logging.ERROR, "reload-failed", code=error.code)
        return False
    rules = len(engine.pipeline.index.book.rules)
    log_event(_LOG, logging.INFO, "rules-reloaded", rules=rules)
    return True
