"""Everything that can be said of one person and one rule."""

from itertools import chain

from whereupon.errors import UnknownNameError
from whereupon.insight.audiences import explain_runs
from whereupon.insight.explanations import Explanation, explain, without_repeats
from whereupon.insight.redecision import DecidedAgain
from whereupon.ports import Session
from whereupon.records import Entry
from whereupon.rules.model import Rulebook


def explain_rule(
    session: Session, person: str, rule_id: str, book: Rulebook, limit: int
) -> list[Explanation]:
    """Why a person entered a rule or not, and what came of it: one explanation a message, newest first.

    For a broadcast there is also one for each of its runs.

    Args:
        person: one of the person's user ids.
        book: the rules of today.

    Raises:
        UnknownNameError: nobody has that user id.
    """
    identifiers = session.identifiers([person], [])
    known = session.persons([identifiers[0].key]) if identifiers else []
    if not known:
        raise UnknownNameError(kind="person", name=person)
    key = known[0].key
    again = DecidedAgain(
        session.rule_version, book.rule, session.rule_pauses(), book.settings.timezone
    )
    decided = session.decided(key, rule_id, limit)
    occasions = {verdict.occasion for _, verdict in decided if isinstance(verdict, Entry)}
    sent = session.deliveries_of(key, occasions) if occasions else []
    first = known[0].user_id
    said = (
        explain(verdict, each, person, rule_id, again, sent, first) for each, verdict in decided
    )
    told = without_repeats(chain.from_iterable(said))
    runs = list(explain_runs(session, person, known[0], rule_id, again, limit))
    if not runs:
        return told
    return sorted([*told, *runs], key=lambda each: each.timestamp, reverse=True)[:limit]
