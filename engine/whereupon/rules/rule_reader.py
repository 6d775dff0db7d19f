"""The reader of one rule file's parts: it collects diagnostics and goes on."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias, TypeVar, cast

from pydantic import JsonValue

from whereupon.conditions import ALWAYS, Condition, ConjunctPool, parse_condition
from whereupon.conditions.clocks import DEFAULT_CLOCK, Clock
from whereupon.conditions.parse_context import NO_TRIGGER
from whereupon.errors import Diagnostic, Location, Severity
from whereupon.rules.spelling import nearest
from whereupon.templates import (
    LINES,
    CallTemplate,
    Content,
    ContentValue,
    MjmlError,
    PartialCycleError,
    Template,
    TemplateError,
    UnknownPartialError,
    UnsafeValueError,
    Use,
    asks_for_secrets,
    is_template,
    one_line,
    parse_mjml,
    parse_template,
    secret_fault,
    use_of,
)

Path: TypeAlias = tuple[str | int, ...]
"""Keys and positions from the root of a document."""

_Value = TypeVar("_Value", bound=Hashable)


@dataclass(frozen=True, slots=True)
class InternPool:
    """Equal parts of many rule files, read once and kept once. One pool serves one folder.

    Attributes:
        conjuncts: the parts of conditions.
        steps: the steps of rules without a diagnostic, by what was written.
        values: triggers, policies and the like.
    """

    conjuncts: ConjunctPool = field(default_factory=dict)
    steps: dict[str, object] = field(default_factory=dict)
    values: dict[Hashable, Hashable] = field(default_factory=dict)

    def one(self, value: _Value) -> _Value:
        """The first of the values that are equal to this one."""
        return cast("_Value", self.values.setdefault(value, value))


@dataclass(slots=True)
class RuleReader:
    """Reads conditions, segments and contents of one file, and keeps the diagnostics.

    Attributes:
        source: what the file says, as plain values.
        segments: the raw condition of every segment of the folder, by id.
        pool: what the files read before say.
        zone: the timezone of the rule's dates, by name.
        clock: the rule's own, or that of a schedule that names its timezone; None where the settings say it.
        folder_clock: what the settings say.
        untied: why there is no triggering message that `same` could compare with; None if there is one.
        partials: the sources of the partials of the folder, by name.
    """

    source: Mapping[str, JsonValue]
    segments: Mapping[str, JsonValue]
    pool: InternPool
    diagnostics: list[Diagnostic] = field(default_factory=list)
    zone: str = "UTC"
    clock: Clock | None = None
    folder_clock: Clock = DEFAULT_CLOCK
    untied: str | None = NO_TRIGGER
    partials: Mapping[str, str] = field(default_factory=dict)

    def report(
        self, path: Path, code: str, message: str, severity: Severity = Severity.ERROR
    ) -> None:
        """Note what is wrong at a path of the file."""
        self.diagnostics.append(Diagnostic.at(path, code, message, severity))

    def condition(
        self,
        raw: JsonValue,
        path: Path,
        *,
        root: Literal["properties", "person"],
        in_steps: bool = False,
    ) -> Condition:
        """Read a condition; a condition over a person may also ask for segments and history.

        Args:
            in_steps: whether it is the `if` of a step, which may ask for what functions returned.
        """
        if raw is None:
            return ALWAYS
        condition, found = parse_condition(
            raw,
            root=root,
            segments=self.segments,
            history_allowed=root == "person",
            zone=self.zone,
            clock=self._persons_clock(),
            pool=self.pool.conjuncts,
            untied=self.untied,
            in_steps=in_steps,
        )
        self.diagnostics.extend(
            Diagnostic.at((*path, *each.path), each.code, each.message, each.severity)
            for each in found
        )
        return condition

    def _persons_clock(self) -> Clock:
        """The clock of days in conditions: a person's own; a schedule's is that of people who have none."""
        own, folder = self.clock, self.folder_clock
        if own is None or (own.of_schedule and folder.attribute is None):
            return folder
        return replace(folder, otherwise=own.otherwise) if own.of_schedule else own

    def segment(self, name: str, path: Path) -> str:
        """A segment's id; an error if no file defines the segment."""
        if name not in self.segments:
            hint = nearest(name, self.segments) or "; write it in a file of its own"
            self.report(path, "unknown-segment", f"there is no segment {name!r}{hint}")
        return name

    def content(
        self,
        raw: Mapping[str, JsonValue],
        path: Path,
        *,
        fields: tuple[str, ...] | None = None,
        has_secrets: bool = False,
    ) -> Content:
        """A mapping in which each text that Liquid would change is a template.

        Args:
            fields: the names that lead to a mapping of a delivery, which say what its texts are for;
                None if the mapping is not part of a delivery.
            has_secrets: whether its templates may ask for the host's secrets.
        """
        parse = self._call_template if has_secrets else self._template
        return self._content(raw, path, fields, parse)

    def _content(
        self,
        raw: Mapping[str, JsonValue],
        path: Path,
        fields: tuple[str, ...] | None,
        parse: "_Parse",
    ) -> Content:
        return {
            key: self._content_value(
                value, (*path, key), None if fields is None else (*fields, key), parse
            )
            for key, value in raw.items()
        }

    def mjml(self, source: str, path: Path) -> ContentValue:
        """The HTML that a text in MJML is compiled to; an empty text, and a diagnostic, if it cannot be."""
        try:
            html, warnings = parse_mjml(source, self.partials)
        except TemplateError as error:
            self._report_text(path, error)
            return ""
        self._refuse_secrets(html, path)
        for warning in warnings:
            self.report(path, "mjml-text", warning, Severity.WARNING)
        return html

    def _content_value(
        self, value: JsonValue, path: Path, fields: tuple[str, ...] | None, parse: "_Parse"
    ) -> ContentValue:
        if isinstance(value, dict):
            return self._content(value, path, fields, parse)
        if isinstance(value, list):
            return [
                self._content_value(item, (*path, place), fields, parse)
                for place, item in enumerate(value)
            ]
        if not isinstance(value, str):
            return value
        use = Use.TEXT if fields is None else use_of(fields)
        if not is_template(value):
            return one_line(value) if use in LINES else value
        try:
            return parse(value, use, path)
        except TemplateError as error:
            self._report_text(path, error)
            return value

    def _template(self, source: str, use: Use, path: Path) -> Template:
        template = parse_template(source, use, self.partials)
        self._refuse_secrets(template, path)
        return template

    def _refuse_secrets(self, template: Template, path: Path) -> None:
        if asks_for_secrets(template):
            message = (
                "only a webhook step has secrets filled in, in its url, headers, json and body; take it "
                "out, so that no secret is sent to a person"
            )
            self.report(path, "misplaced-secret", message)

    def _call_template(self, source: str, use: Use, path: Path) -> Template:
        template = parse_template(source, use, self.partials)
        fault = secret_fault(template)
        if fault is not None:
            self.report(path, "misplaced-secret", fault)
        return CallTemplate(source, use, template.partials)

    def _report_text(self, path: Path, error: TemplateError) -> None:
        """Note what is wrong with the text at a path, or with a partial that it renders."""
        message, place = error.reason, Location(error.partial, error.line)
        if isinstance(error, UnknownPartialError):
            hint = nearest(error.name, self.partials)
            message += hint or f"; write it to partials/{error.name}.liquid of the rules folder"
        found = Diagnostic.at(path, _code_of(error), message)
        self.diagnostics.append(replace(found, location=place))


_Parse: TypeAlias = Callable[[str, Use, Path], Template]
"""What makes a template of a text; raises `TemplateError`."""

_CODES: Final[Mapping[type[TemplateError], str]] = {
    UnsafeValueError: "unsafe-value",
    MjmlError: "bad-mjml",
    UnknownPartialError: "unknown-partial",
    PartialCycleError: "partial-cycle",
}


def _code_of(error: TemplateError) -> str:
    return _CODES.get(type(error), "bad-template")
