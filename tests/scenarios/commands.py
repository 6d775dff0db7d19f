"""Running the command line as users do, from the repository's root."""

import os
import subprocess
import sys
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pydantic import JsonValue
from typer.testing import CliRunner

from whereupon.cli import app
from whereupon.messages.codec import decode

ROOT = Path(__file__).parents[2]
STREAMS = Path("fixtures/streams")

Record: TypeAlias = dict[str, JsonValue]


@dataclass(frozen=True)
class Finished:
    """The exit status of a command, and its output."""

    status: int
    stdout: str
    stderr: str

    @property
    def records(self) -> list[Record]:
        """Standard output as JSON Lines; every line must be an object."""
        decoded = [decode(line) for line in self.stdout.splitlines()]
        records = [value for value in decoded if isinstance(value, dict)]
        assert len(records) == len(decoded)
        return records

    def of_kind(self, kind: str) -> list[Record]:
        """The records of one kind."""
        return [record for record in self.records if record["kind"] == kind]


def whereupon(
    *arguments: object, columns: int | None = None, folder: Path = ROOT, typed: str | None = None
) -> Finished:
    """Run ``whereupon`` with these arguments in this process; exceptions are not caught."""
    runner = CliRunner(env={"COLUMNS": str(columns) if columns else None})
    with chdir(folder):
        done = runner.invoke(
            app, [str(each) for each in arguments], input=typed, catch_exceptions=False
        )
    return Finished(done.exit_code, done.stdout, done.stderr)


def whereupon_process(*arguments: object, stdin: str | None = None, **environment: str) -> Finished:
    """Run ``python -m whereupon`` with these arguments in its own process."""
    done = subprocess.run(
        [sys.executable, "-m", "whereupon", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def purchase(user: str, at: str, **properties: JsonValue) -> Record:
    """A purchase by a known person."""
    return {
        "type": "track",
        "event": "purchase",
        "userId": user,
        "messageId": f"{user}-{at}",
        "timestamp": at,
        "properties": properties,
    }


def identify(user: str, at: str, *, anonymous: str | None = None, **traits: JsonValue) -> Record:
    """An identify call."""
    return {
        "type": "identify",
        "userId": user,
        "anonymousId": anonymous,
        "messageId": f"identify-{user}-{at}",
        "timestamp": at,
        "traits": traits,
    }
