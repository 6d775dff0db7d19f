"""Questions to an engine: why, who, what if, how much. Nothing here writes.

What explains is imported when it is first asked, since most processes never ask.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from whereupon.api.config import Metrics, Status, Waiting
from whereupon.api.parts import EngineParts
from whereupon.delivery.measures import Activity
from whereupon.errors import UnknownNameError
from whereupon.operations.outbox import resting_channels
from whereupon.operations.pruner import kept_since
from whereupon.operations.statistics import Period, Statistics, statistics
from whereupon.pipeline.sweeps import paused_runs
from whereupon.ports import DeliveryFilter
from whereupon.records import BroadcastRun, Delivery, DeliveryState, RetainedKind, SetAside

if TYPE_CHECKING:
    from whereupon.insight import (
        Explanation,
        Happening,
        Identity,
        Preview,
        Profile,
        RuleGraph,
        TimelinePlace,
    )


class Questions(EngineParts):
    """The calls that answer questions."""

    def explain(self, person: str, rule: str, *, limit: int = 20) -> "list[Explanation]":
        """Why a person entered a rule or not: one explanation a message, newest first.

        Records older than their retention are not among them (`kept_since`).

        Args:
            person: one of the person's user ids.
            rule: the rule's id.
            limit: how many messages.

        Raises:
            UnknownNameError: nobody has that user id.
        """
        from whereupon.insight import explain_rule  # noqa: PLC0415 - see above

        with self.store.reading() as session:
            return explain_rule(session, person, rule, self.pipeline.index.book, limit)

    def identity(self, person: str, *, limit: int = 1_000) -> "Identity":
        """Who a person is: their ids, which message claimed which messages, and what became eligible.

        Args:
            person: one of the person's user ids.
            limit: how many of the claimed messages, newest first.

        Raises:
            UnknownNameError: nobody has that user id.
        """
        from whereupon.insight import identify_person  # noqa: PLC0415 - see above

        index, policy = self.pipeline.index, self.pipeline.settings.identity
        with self.store.reading() as session:
            return identify_person(session, person, index.book, policy, limit)

    def profile(self, person: str) -> "Profile":
        """What is known of a person now: ids, attributes, segments, consent, devices.

        Args:
            person: one of the person's user ids.

        Raises:
            UnknownNameError: nobody has that user id.
        """
        from whereupon.insight import profile  # noqa: PLC0415 - see above

        with self.store.reading() as session:
            return profile(session, person, self.pipeline.index.book, self.clock.now())

    def timeline(
        self, person: str, *, limit: int = 50, before: "TimelinePlace | None" = None
    ) -> "list[Happening]":
        """What happened to a person, newest first: messages and what each led to, and scheduled broadcasts.

        Args:
            person: one of the person's user ids.
            limit: the most happenings.
            before: the `place` of the last happening of the page before.

        Raises:
            UnknownNameError: nobody has that user id.
        """
        from whereupon.insight import timeline  # noqa: PLC0415 - see above

        with self.store.reading() as session:
            return timeline(session, person, self.pipeline.index.book, limit, before)

    def preview_identify(
        self,
        user_id: str,
        *,
        anonymous_id: str | None = None,
        traits: Mapping[str, object] | None = None,
        timestamp: datetime | str | None = None,
    ) -> "Preview":
        """What this identify would claim, and what would then trigger; nothing is written or sent.

        Raises:
            MessageRejectedError: such an identify would not be accepted.
        """
        from whereupon.insight import preview_identify  # noqa: PLC0415 - see above

        said: dict[str, object] = {"userId": user_id, "anonymousId": anonymous_id}
        said |= {"traits": traits, "timestamp": timestamp}
        now, pipeline = self.clock.now(), self.pipeline
        return self.claims.transact(  # it locks the person, as the identify itself would
            lambda session: preview_identify(session, pipeline, said, now)
        )

    def runs(
        self, broadcast: str, *, limit: int = 20, before: tuple[datetime, str] | None = None
    ) -> list[BroadcastRun]:
        """A broadcast's runs, newest first: planned, under way, done, or missed and why (`reason`).

        Args:
            broadcast: its id.
            limit: the most runs.
            before: the `timestamp` and `occasion` of the last run of the page before.
        """
        with self.store.reading() as session:
            return session.runs_of(broadcast, limit, before)

    def stats(
        self,
        rule: str | None = None,
        *,
        since: timedelta | datetime | None = None,
        until: timedelta | datetime | None = None,
    ) -> Statistics:
        """How many people entered each rule, what was sent to them, what became of it, and who reached the goal.

        Each delivery counts once under each name, by what the store still keeps (see `Statistics`).

        Args:
            rule: only this one, by its id.
            since: only entries opened, and deliveries that ended or are due, within this time or from this
                instant on.
            until: only entries opened, and deliveries that ended or are due, before this time ago, or before
                this instant.

        Raises:
            UnknownNameError: there is no such rule, and nobody has entered one of that name.
        """
        period = Period.of(self.clock.now(), since, until)
        known = self.pipeline.index.by_id
        with self.store.reading() as session:
            return statistics(session, rule, period, known)

    def graph(self, rule: str) -> "RuleGraph":
        """A rule's steps as a tree, in words, with the people who stand at each.

        `whereupon.render.graph_svg.graph_svg` draws it, and `whereupon.render.graph.graph_lines` writes it.

        Raises:
            UnknownNameError: the rulebook has no such rule.
        """
        from whereupon.insight import graph_of  # noqa: PLC0415 - see above

        known = self.pipeline.index.by_id
        if rule not in known:
            raise UnknownNameError(kind="rule", name=rule, known=tuple(known))
        with self.store.reading() as session:
            return graph_of(known[rule], session.count_inside(rule))

    def deliveries(
        self,
        *states: DeliveryState,
        limit: int = 100,
        channel: str | None = None,
        rule: str | None = None,
        person: str | None = None,
        before: int | None = None,
    ) -> list[Delivery]:
        """Deliveries in these states (all by default), newest first.

        Args:
            states: at least one of them; none for all.
            limit: the most deliveries.
            channel: only those of this channel.
            rule: only those of this rule.
            person: only those of the person with this user id.
            before: the `key` of the last delivery of the page before.

        Raises:
            UnknownNameError: nobody has that user id.
        """
        which = DeliveryFilter(channel, rule, None, before)
        return self._outbox.deliveries(*states, limit=limit, which=which, person=person)

    def set_aside(self, limit: int = 100) -> list[SetAside]:
        """Messages on which the engine itself failed (rejected as ``poison``), newest first."""
        with self.store.reading() as session:
            return session.set_aside(limit)

    def status(self) -> Status:
        """What stands still: work of rules that this engine lacks, cannot read, or has switched off; channels."""
        with self.store.reading() as session:
            return Status(
                tuple(self.pipeline.left_alone(session)),
                tuple(resting_channels(session, self.clock.now())),
                tuple(session.rule_pauses()),
                tuple(paused_runs(session)),
                session.count_paused(),
            )

    def metrics(self) -> Metrics:
        """What went in and out of this process so far, and what waits in the store."""
        so_far = self._monitor.measures.so_far()
        return Metrics(so_far.messages, so_far.events, self._outbox.backlog())

    def activity(self) -> Activity:
        """What this process did so far; the store is not asked."""
        return replace(self._monitor.measures.so_far(), hanging=self._work.hanging())

    def waiting(self) -> Waiting:
        """What waits in the store, for this process or for another."""
        return self._work.waiting()

    def kept_since(self, kind: str) -> datetime | None:
        """From when on all records of a kind are kept; None if all of them are.

        Args:
            kind: ``skips``, ``deliveries``, ``entries`` or ``set_aside``.
        """
        with self.store.reading() as session:
            return kept_since(session, RetainedKind(kind))
