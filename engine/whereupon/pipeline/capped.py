"""Who has been sent so much that a cap would hold back what a rule sends next."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from whereupon.decide.caps import counted_since, full_caps
from whereupon.ports import Session
from whereupon.records import CountedSend, Exemption, SendKind
from whereupon.rules.model import FolderSettings, Rule, Send


def capped(
    session: Session,
    person_keys: Collection[int],
    rule: Rule,
    settings: FolderSettings,
    now: datetime,
) -> set[int]:
    """Those for whom there is no place under some cap for the first send of marketing that a rule does.

    Args:
        session: what it is read from, in one statement.
        person_keys: of the persons who are asked about.
        rule: nobody is capped for a rule that is exempt, or that sends no marketing.
        settings: of the folder.
        now: when it would be sent.

    Returns:
        Keys of persons.
    """
    first = _first_send(rule)
    if first is None or not settings.caps or Exemption.CAP in rule.exempt:
        return set()
    sends: dict[int, list[CountedSend]] = defaultdict(list)
    for send in session.counted_sends(person_keys, counted_since(settings.caps, now)):
        sends[send.person_key].append(send)
    return {
        key for key, theirs in sends.items() if full_caps(settings.caps, first.channel, theirs, now)
    }


def _first_send(rule: Rule) -> Send | None:
    sends = (step for step in rule.route.every_step() if isinstance(step, Send))
    return next((send for send in sends if send.kind is SendKind.MARKETING), None)
