"""The probes of what the settings hold sends back by, and of what a rule says in spite of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from whereupon.decide.caps import CAP, full_caps
from whereupon.decide.quiet_hours import person_quiet_until
from whereupon.messages.times import format_duration
from whereupon.records import CountedSend, Delivery, Entry, Exemption, MarkKind, SendKind
from whereupon.rules.model import Cap, FolderSettings, Rule, Send
from whereupon.testing.coverage.probe import Path, Probe, uncovered_in
from whereupon.testing.reports import Seen, Uncovered
from whereupon.testing.simulation import Happened

SETTINGS: Final = "settings"
"""What the parts of the settings are parts of, where those of a rule have its id."""


class SettingsCoverage:
    """What the tests of a folder have seen of its caps and quiet hours; any test may see them.

    Args:
        file: the settings file; None if there is none, so that there is nothing to see.
        rules: of the folder, by id.
    """

    def __init__(
        self, settings: FolderSettings, file: str | None, rules: Mapping[str, Rule]
    ) -> None:
        self._file, self._rules = file, rules
        self._caps = [
            (cap, Probe(f"cap: {_in_words(cap)}", (Seen.HELD_BACK,), ("cap", n)))
            for n, cap in enumerate(settings.caps)
        ]
        self._quiet = Probe("quiet_hours", (Seen.HELD_BACK,), ("quiet_hours",))
        self._probes = [probe for _, probe in self._caps]
        if settings.quiet_hours is not None:
            self._probes.append(self._quiet)

    def note(self, happened: Happened) -> None:
        """Note what was left out, and what waited."""
        for record in happened.records:
            if isinstance(record, Delivery) and record.reason == CAP:
                self._see_cap(record.channel)
        for entry in happened.entries:
            for channel in self._held(entry, MarkKind.CAP):
                self._see_cap(channel)
            for _ in self._held(entry, MarkKind.QUIET):
                self._quiet.see(Seen.HELD_BACK)

    def uncovered(self) -> Iterator[Uncovered]:
        """What was not seen."""
        return iter(()) if self._file is None else uncovered_in(self._file, SETTINGS, self._probes)

    def _see_cap(self, channel: str) -> None:
        for cap, probe in self._caps:
            if cap.concerns(channel):
                probe.see(Seen.HELD_BACK)

    def _held(self, entry: Entry, kind: MarkKind) -> Iterator[str]:
        """The channels of the sends at which an entry has waited."""
        rule = self._rules.get(entry.rule)
        for mark in entry.trail if rule is not None else ():
            place = rule.route.place(mark.address) if rule is not None else None
            if mark.kind is kind and place is not None and isinstance(place.step, Send):
                yield place.step.channel


class ExemptProbes:
    """The probes of a rule's `cap: exempt`, `quiet_hours: off` and `priority`."""

    def __init__(self, rule: Rule, settings: FolderSettings, probes: list[Probe]) -> None:
        self._rule, self._settings = rule, settings
        self._cap = self._quiet = self._priority = None
        if Exemption.CAP in rule.exempt and settings.caps:
            self._cap = _added(probes, "cap: exempt", Seen.EXEMPT, ("cap",))
        if Exemption.QUIET_HOURS in rule.exempt and settings.quiet_hours is not None:
            self._quiet = _added(probes, "quiet_hours: off", Seen.EXEMPT, ("quiet_hours",))
        if rule.priority:
            part = f"priority: {rule.priority}"
            self._priority = _added(probes, part, Seen.COMPETED, ("priority",))

    def note(self, happened: Happened) -> None:
        """Note what the rule sent in spite of a full cap or quiet hours, and beside another rule at one moment."""
        made = [each for each in happened.records if isinstance(each, Delivery)]
        for place, delivery in enumerate(made):
            if delivery.rule == self._rule.id and delivery.kind is SendKind.MARKETING:
                theirs = [each for each in made if each.person_key == delivery.person_key]
                self._note(delivery, made[:place], theirs, happened)

    def _note(
        self,
        delivery: Delivery,
        before: Sequence[Delivery],
        theirs: Iterable[Delivery],
        happened: Happened,
    ) -> None:
        at = delivery.due_at
        if self._priority is not None and any(
            each.due_at == at and each.rule != delivery.rule for each in theirs
        ):
            self._priority.see(Seen.COMPETED)
        if self._cap is not None and self._is_over(delivery, before):
            self._cap.see(Seen.EXEMPT)
        person = happened.persons.get(delivery.person_key)
        if self._quiet is not None and person is not None:
            until = self._quiet_until(delivery, person.attributes, at)
            if until is not None:
                self._quiet.see(Seen.EXEMPT)

    def _is_over(self, delivery: Delivery, before: Sequence[Delivery]) -> bool:
        """Whether a cap was full when the delivery was made."""
        counted = (CountedSend.of(e) for e in before if e.person_key == delivery.person_key)
        sends = [send for send in counted if send is not None]
        return bool(full_caps(self._settings.caps, delivery.channel, sends, delivery.due_at))

    def _quiet_until(
        self, delivery: Delivery, attributes: Mapping[str, JsonValue], at: datetime
    ) -> datetime | None:
        return person_quiet_until(
            attributes,
            self._settings,
            self._rule.clock,
            channel=delivery.channel,
            kind=delivery.kind,
            now=at,
        )


def _in_words(cap: Cap) -> str:
    channels = "" if cap.channels is None else f" on {', '.join(cap.channels)}"
    return f"at most {cap.at_most} per {format_duration(cap.per)}{channels}"


def _added(probes: list[Probe], part: str, wanted: Seen, path: Path) -> Probe:
    probe = Probe(part, (wanted,), path)
    probes.append(probe)
    return probe
