"""Every name in a rule file against the tracking plan: events, properties, attributes and channels.

The checks look at what is written, not at the rule that is made of it. So each diagnostic has its path,
and a file with an error elsewhere is checked as well. Each key and step says in its own module which
checks it needs.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from whereupon.conditions.mentions import (
    EventMention,
    Mention,
    Root,
    SameMention,
    ValueMention,
    mentions_of,
    type_mismatches,
)
from whereupon.conditions.same import read_same, same_faults
from whereupon.conditions.values import RESULTS
from whereupon.errors import Diagnostic
from whereupon.rules.plan.schema_paths import schema_at, unknown_part
from whereupon.rules.plan.tracking_plan import TrackingPlan
from whereupon.rules.plan.value_checks import object_schema, unmet_value
from whereupon.rules.rule_reader import Path
from whereupon.rules.spelling import nearest
from whereupon.rules.texts_in import mentioned, templates_in
from whereupon.templates import is_template, secret_names

_LOOKED_INTO: Final = ("properties", "person", "context")


_WITHOUT_DATES: Final = ("boolean", "array", "object", "null")


@dataclass(frozen=True, slots=True)
class PlanChecker:
    """Checks the parts of one file.

    Attributes:
        plan: what the folder describes.
        opening: the names of the events that open an entry; None if other messages open one, too.
    """

    plan: TrackingPlan
    opening: list[str] | None = None
    partials: Mapping[str, str] = field(default_factory=dict)

    def event(self, name: str, path: Path) -> Iterator[Diagnostic]:
        """An event's name, or a beginning of names (``Order *``)."""
        yield from _one(self.plan.event_diagnostic(name, path))

    def channel(self, name: str, path: Path) -> Iterator[Diagnostic]:
        """A channel's name."""
        yield from _one(self.plan.channel_diagnostic(name, path))

    def secrets(self, raw: JsonValue, path: Path) -> Iterator[Diagnostic]:
        """The names of the secrets that templates ask for, however deep."""
        for place, template in templates_in(raw, path, self.partials):
            for name in secret_names(template):
                yield from _one(self.plan.secret_diagnostic(name, place))

    def function(self, name: str, path: Path) -> Iterator[Diagnostic]:
        """The name of a function that a step runs."""
        yield from _one(self.plan.function_diagnostic(name, path))

    def value(self, name: tuple[str, ...], path: Path) -> Iterator[Diagnostic]:
        """The path of a value of the message or the person, its root first."""
        yield from self._value(name, path, self.opening)

    def date(self, name: tuple[str, ...], path: Path) -> Iterator[Diagnostic]:
        """The path of a value that holds a date, its root first."""
        unknown = [*self.value(name, path)]
        yield from unknown
        schema = None if unknown else self._schema(name, None)
        type_ = schema.get("type") if isinstance(schema, dict) else None
        if type_ in _WITHOUT_DATES:
            label = ".".join(name[1:])
            message = f"the settings say that {label} is of type {type_}, which holds no date: this never comes"
            yield Diagnostic.warning_at(path, "type-mismatch", message)

    def same(self, raw: JsonValue, path: Path, event: str) -> Iterator[Diagnostic]:
        """The names in a `same`: properties of the event, and of those that open an entry."""
        if raw is None or any(True for _ in same_faults(raw)):
            return
        for place, (theirs, triggers) in enumerate(read_same(raw).pairs):
            here = (*path, [*raw][place] if isinstance(raw, dict) else place)
            found = [*self._value(("properties", *theirs), here, [event])]
            yield from found or self._value(("properties", *triggers), here, self.opening)

    def properties(self, raw: JsonValue, path: Path, event: str) -> Iterator[Diagnostic]:
        """The names of properties that are given to an event."""
        for name, place in _names_in(raw, path):
            yield from _one(self.plan.property_diagnostic(name, [event], place))

    def attributes(self, raw: JsonValue, path: Path) -> Iterator[Diagnostic]:
        """The names and the values of attributes that are given to a person."""
        for name, place in _names_in(raw, path):
            found = [*_one(self.plan.attribute_diagnostic(name, place))]
            yield from found
            if not found and len(name) == 1 and isinstance(raw, dict):
                value = raw[name[0]]
                if value is not None and not (isinstance(value, str) and is_template(value)):
                    mention = ValueMention(place, ("person", *name), operator="eq", expected=value)
                    yield from unmet_value(mention, self._schema(mention.name, None))

    def templates(self, raw: JsonValue, path: Path) -> Iterator[Diagnostic]:
        """The variables of all templates in a value, however deep."""
        for place, template in templates_in(raw, path, self.partials):
            for variable in template.variables():
                found = self.value(tuple(map(str, variable)), place)
                yield from (mentioned(each, template, variable) for each in found)

    def condition(
        self, raw: JsonValue, path: Path, root: Root, *, events: list[str] | None = None
    ) -> Iterator[Diagnostic]:
        """The names and the fixed values in a condition.

        Args:
            events: the events whose properties the condition reads; None if it reads none.
        """
        yield from self._condition(mentions_of(raw, path, root), raw, path, events)

    def step_condition(self, raw: JsonValue, path: Path) -> Iterator[Diagnostic]:
        """The names and the fixed values in the `if` of a step; of what functions return nothing is known."""
        mentions = mentions_of(raw, path, "person")
        yield from self._condition((m for m in mentions if not _is_result(m)), raw, path, None)

    def _condition(
        self, mentions: Iterable[Mention], raw: JsonValue, path: Path, events: list[str] | None
    ) -> Iterator[Diagnostic]:
        found_at: set[Path] = set()
        for mention in mentions:
            found = [*self._mention(mention, events)]
            if isinstance(mention, ValueMention) and mention.items is None:
                found_at |= {each.path[:-1] for each in found}
            yield from found
        for place, fault in type_mismatches(raw, path, self._data_schema(events)):
            if not any(each[: len(place)] == place for each in found_at):
                yield Diagnostic.warning_at(
                    place, "type-mismatch", f"by the plan this never matches: {fault}"
                )

    def _mention(self, mention: Mention, opening: list[str] | None) -> Iterator[Diagnostic]:
        if isinstance(mention, SameMention):
            yield from self.same(mention.same, mention.path, mention.event)
            return
        if isinstance(mention, EventMention):
            if not mention.event.endswith("*"):  # of which the reader warns
                yield from self.event(mention.event, mention.path)
            return
        events = opening if mention.event is None else [mention.event]
        if mention.items is not None:
            yield from self._of_an_item(mention, events)
            return
        unknown = [*self._value(mention.name, mention.path, events)]
        yield from unknown or unmet_value(mention, self._schema(mention.name, events))

    def _value(
        self, name: tuple[str, ...], path: Path, events: list[str] | None
    ) -> Iterator[Diagnostic]:
        if name[0] == "properties" and events is not None:
            yield from _one(self.plan.property_diagnostic(name[1:], events, path))
        elif name[0] == "person":
            yield from _one(self.plan.attribute_diagnostic(name[1:], path))

    def _schema(self, name: tuple[str, ...], events: list[str] | None) -> JsonValue:
        """The schema of the value at a path; None if the plan has none."""
        known = None
        if name[0] == "properties" and events is not None:
            known = self.plan.properties_of(events)
        elif name[0] == "person":
            known = self.plan.attributes
        return None if known is None else schema_at(name[1:], known)

    def _data_schema(self, events: list[str] | None) -> dict[str, JsonValue]:
        """The plan as the JSON Schema of what a condition reads."""
        roots = {
            "properties": self.plan.properties_of(events or ()),
            "person": self.plan.attributes,
        }
        known = {root: schemas for root, schemas in roots.items() if schemas}
        properties = {root: object_schema(schemas) for root, schemas in known.items()}
        return {"type": "object", "properties": {**properties}}

    def _of_an_item(self, mention: ValueMention, events: list[str] | None) -> Iterator[Diagnostic]:
        """A value that is read of an item of a list, where nothing outside of the list is seen."""
        schema = self._schema(mention.items, events) if mention.items else None
        item = schema.get("items") if isinstance(schema, dict) else None
        known = item.get("properties") if isinstance(item, dict) else None
        if not mention.name:
            yield from unmet_value(mention, item)
            return
        unknown = unknown_part(mention.name, known) if isinstance(known, dict) and known else None
        root, *rest = mention.name
        if root in _LOOKED_INTO and rest and (unknown is not None or not isinstance(known, dict)):
            name = ".".join(mention.name)
            message = (
                f"this looks into the item, which has no {name}; in any_item, all_items and no_item write "
                f"$.{name}, take it out of a loop in logic, or describe the item in the event file"
            )
            yield Diagnostic.at(mention.path, "looks-into-item", message)
        elif unknown is not None:
            part, there = unknown
            message = (
                f"no event file describes the property {part} of an item{nearest(part, there)}"
            )
            yield Diagnostic.warning_at(mention.path, "unknown-property", message)
        elif isinstance(known, dict):
            yield from unmet_value(mention, schema_at(mention.name, known))


def _is_result(mention: Mention) -> bool:
    """Whether it is of what functions returned, in the short form."""
    return isinstance(mention, ValueMention) and mention.name[:2] == ("person", RESULTS)


def _names_in(raw: JsonValue, path: Path) -> Iterator[tuple[tuple[str, ...], Path]]:
    """The names in a mapping, and in the mappings that it holds."""
    waiting: list[tuple[tuple[str, ...], Path, JsonValue]] = [((), path, raw)]
    while waiting:
        name, place, value = waiting.pop()
        for key, inner in value.items() if isinstance(value, dict) else ():
            yield (*name, key), (*place, key)
            waiting.append(((*name, key), (*place, key), inner))


def _one(diagnostic: Diagnostic | None) -> Iterator[Diagnostic]:
    if diagnostic is not None:
        yield diagnostic
