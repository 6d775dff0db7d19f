"""Rule files as data, and the rulebook that they make."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

from pydantic import JsonValue

from whereupon.conditions.clocks import Clock
from whereupon.rules.files import RuleFile
from whereupon.rules.files.settings import DEFAULT_SETTINGS
from whereupon.rules.model import EventPlan, FolderSettings, Guard, Rule, Rulebook, Segment
from whereupon.rules.reader import read_rule_file

File = dict[str, JsonValue]


def campaign(name: str, when: JsonValue, **keys: JsonValue) -> File:
    """A campaign's file; by default everybody enters every time and gets a push."""
    usual: File = {
        "campaign": name,
        "description": "Somebody did something.",
        "when": when,
        "reentry": "every_time",
        "whereupon": [{"send": "push", "title": "Hello"}],
    }
    return usual | keys


def broadcast(name: str, when: JsonValue, **keys: JsonValue) -> File:
    """A broadcast's file."""
    usual: File = {
        "broadcast": name,
        "description": "Something happened.",
        "when": when,
        "whereupon": [{"send": "push", "title": "Hello"}],
    }
    return usual | keys


def segment(name: str, **who: JsonValue) -> File:
    """A segment's file."""
    return {"segment": name, "description": "Some people.", "who": who}


def guard(name: str, actions: list[JsonValue], **keys: JsonValue) -> File:
    """A guard's file."""
    return {"guard": name, "description": "Who may.", "actions": actions, **keys}


@dataclass(frozen=True)
class _Files:
    """Files that are the same if their text is."""

    text: str
    forms: list[File] = field(compare=False)


def book_of(*files: Mapping[str, object]) -> Rulebook:
    """The rulebook of these files, which must be in order; it is read once, since nothing changes it."""
    forms = [cast("File", dict(file)) for file in files]
    return _read(_Files(repr(forms), forms))


@lru_cache(maxsize=500)
def _read(files: _Files) -> Rulebook:
    forms = files.forms
    segments = {str(form["segment"]): form["who"] for form in forms if "segment" in form}
    values: list[RuleFile | None] = []
    clock: Clock | None = None
    for form in sorted(forms, key=lambda form: "settings" not in form):
        stem = str(next(iter(form.values())))
        reading = read_rule_file(form, stem=stem, segments=segments, clock=clock)
        assert not reading.diagnostics, reading.diagnostics
        values.append(reading.file)
        clock = reading.file.timezone if isinstance(reading.file, FolderSettings) else clock
    return Rulebook(
        rules=tuple(value for value in values if isinstance(value, Rule)),
        segments={value.id: value for value in values if isinstance(value, Segment)},
        guards=tuple(value for value in values if isinstance(value, Guard)),
        events=tuple(value for value in values if isinstance(value, EventPlan)),
        settings=next((v for v in values if isinstance(v, FolderSettings)), DEFAULT_SETTINGS),
    )
