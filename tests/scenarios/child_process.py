"""Child processes of the test's own process, as gunicorn's ``--preload`` and Celery's prefork make them."""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_LONGEST = 60
"""Seconds after which a child that hangs is ended, so that its test fails."""


@dataclass(frozen=True)
class Child:
    """A forked process that does some work, sends the result, and ends without cleaning up."""

    pid: int
    says: int

    def result(self) -> Any:
        """The result, once the child has ended."""
        with os.fdopen(self.says, "rb") as pipe:
            output = pipe.read()
        _, status = os.waitpid(self.pid, 0)
        assert status == 0, f"the child ended with {status}: {output.decode()}"
        return json.loads(output)


def forked(work: Callable[[], object]) -> Child:
    """Fork, and do the work in the child."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return Child(pid, reading)
    status = 1
    try:
        signal.alarm(_LONGEST)
        output = json.dumps(work())
        status = 0
    except BaseException as error:  # noqa: BLE001 - it is the parent's to judge
        output = f"{type(error).__name__}: {error}"
    finally:
        os.write(writing, output.encode())
        os._exit(status)
