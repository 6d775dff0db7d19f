"""From one rule file's plain data to its value (a rule, a segment, …), with all diagnostics at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue, ValidationError

from whereupon.conditions.clocks import DEFAULT_CLOCK, Clock
from whereupon.errors import Diagnostic, Severity
from whereupon.rules.files import FILES, RuleFile
from whereupon.rules.files.file_form import FileForm
from whereupon.rules.files.rule import PARTIALS, Rule
from whereupon.rules.files.segment import Segment
from whereupon.rules.form_errors import form_errors
from whereupon.rules.reader.diagnostics import diagnostic_from
from whereupon.rules.reader.recovery import without_errors
from whereupon.rules.reader.words import misplaced_words
from whereupon.rules.rule_reader import InternPool, RuleReader
from whereupon.rules.spelling import nearest
from whereupon.templates import NO_PARTIALS

for _form in FILES.values():
    _form.model_rebuild()  # here, where one thread does it: several could read their first file at once


@dataclass(frozen=True, slots=True)
class FileReading:
    """What one file says.

    Attributes:
        file: its value; None if a diagnostic is an error.
        rest: what can be made of a file with errors, for further diagnostics only; else the value.
        diagnostics: all at once.
    """

    file: RuleFile | None
    rest: RuleFile | None
    diagnostics: tuple[Diagnostic, ...]


def parse_rule_file(
    data: JsonValue,
    *,
    stem: str,
    segments: Mapping[str, JsonValue],
    pool: InternPool | None = None,
) -> tuple[RuleFile | None, tuple[Diagnostic, ...]]:
    """The value of one file's content, None if there is an error, and all diagnostics: see `read_rule_file`."""
    reading = read_rule_file(data, stem=stem, segments=segments, pool=pool)
    return reading.file, reading.diagnostics


def read_rule_file(
    data: JsonValue,
    *,
    stem: str,
    segments: Mapping[str, JsonValue],
    pool: InternPool | None = None,
    partials: Mapping[str, str] = NO_PARTIALS,
    clock: Clock | None = None,
) -> FileReading:
    """Read one file's content.

    Args:
        data: the content, as plain values.
        stem: the file's name without its ending, which its id must be.
        segments: the raw condition of every segment of the folder, by id.
        pool: what the files read before say; None to share nothing.
        partials: the sources of the folder's partials, by name.
        clock: the folder's, by its settings; None if they do not say.
    """
    if not isinstance(data, dict):
        message = "a rule file is a mapping that starts with campaign:, broadcast:, segment:, "
        found = Diagnostic.at((), "wrong-type", f"{message}event:, guard: or settings:")
        return FileReading(None, None, (found,))
    kind = next((key for key in FILES if key in data), None)
    if kind is None:
        return FileReading(None, None, (_without_kind(data),))
    form, diagnostics = _validated(data, kind)
    pool = InternPool() if pool is None else pool
    reader = RuleReader(
        data,
        segments,
        pool,
        diagnostics,
        partials=partials,
        folder_clock=DEFAULT_CLOCK if clock is None else clock,
    )
    file = None if form is None else cast("RuleFile", form.read(reader))
    reader.diagnostics.extend(_misplaced(form))
    reader.diagnostics.extend(_wrong_id(data.get(kind), kind=kind, stem=stem))
    is_broken = any(each.severity is Severity.ERROR for each in reader.diagnostics)
    return FileReading(None if is_broken else file, file, tuple(dict.fromkeys(reader.diagnostics)))


def rule_from_source(
    source: Mapping[str, JsonValue],
    segments: Mapping[str, JsonValue],
    clock: Clock | None = None,
) -> Rule:
    """Read a rule again from its stored ``source``; raises ValueError if that is no valid rule.

    Args:
        clock: the folder's, as in `read_rule_file`.
    """
    stem = str(source.get("campaign", source.get("broadcast", "")))
    written = {key: value for key, value in source.items() if key != PARTIALS}
    partials = source.get(PARTIALS)
    reading = read_rule_file(
        written,
        stem=stem,
        segments=segments,
        partials=cast("Mapping[str, str]", partials) if isinstance(partials, dict) else {},
        clock=clock,
    )
    if isinstance(reading.file, Rule):
        return reading.file
    found = reading.diagnostics
    reasons = "; ".join(each.message for each in found) or "it is no campaign and no broadcast"
    message = f"the stored rule {stem!r} cannot be read: {reasons}"
    raise ValueError(message)


def segment_from_source(
    name: str, segments: Mapping[str, JsonValue], clock: Clock | None = None
) -> Segment:
    """Read a segment again, from the raw conditions of all; raises ValueError if it is not valid.

    Args:
        clock: the folder's, as in `read_rule_file`.
    """
    said: dict[str, JsonValue] = {"segment": name, "description": "", "who": segments.get(name)}
    reading = read_rule_file(said, stem=name, segments=segments, clock=clock)
    if isinstance(reading.file, Segment):
        return reading.file
    reasons = "; ".join(each.message for each in reading.diagnostics)
    message = f"the stored segment {name!r} cannot be read: {reasons}"
    raise ValueError(message)


def _without_kind(data: Mapping[str, JsonValue]) -> Diagnostic:
    near = next(((key, hint) for key in data if (hint := nearest(key, FILES))), None)
    if near is not None:
        return Diagnostic.at((near[0],), "unknown-key", f"there is no key {near[0]!r}{near[1]}")
    message = f"say what this file is: its first key is one of {', '.join(FILES)}, with its id"
    return Diagnostic.at((), "missing-key", message)


def _validated(data: dict[str, JsonValue], kind: str) -> tuple[FileForm | None, list[Diagnostic]]:
    """The form, of what remains of the data if they have errors, and the diagnostics of its shape."""
    form = FILES[kind]
    diagnostics: list[Diagnostic] = []
    rest = data
    for attempt in range(3):
        try:
            return form.model_validate(rest), diagnostics
        except ValidationError as error:
            details = form_errors(error, form)
            diagnostics = diagnostics or [diagnostic_from(each, kind=kind) for each in details]
            rest = without_errors(rest, details, roughly=attempt > 0)
    return None, diagnostics


def _misplaced(form: FileForm | None) -> Iterator[Diagnostic]:
    for place, step in enumerate(getattr(form, "whereupon", ())):
        yield from misplaced_words(step, ("whereupon", place))


def _wrong_id(raw: JsonValue, *, kind: str, stem: str) -> tuple[Diagnostic, ...]:
    if not isinstance(raw, str) or raw == stem:
        return ()
    message = f"the id is the file's name: write {kind}: {stem}, or call the file {raw[:60]}"
    if kind == "settings":
        message = "the settings of a folder stand in settings.yaml; call this file so"
    return (Diagnostic.at((kind,), "id-not-stem", message),)
