"""From the body of a request to `Engine.ingest`, and from its result to an answer.

An answer of 200 says that every message that it does not name is stored; it is given after the commit. Messages that
are not accepted are named by their place, and do not hold up the others.
"""

from collections import Counter
from collections.abc import Callable

from whereupon.engine import Engine
from whereupon.messages.outer_fields import outer_fields, with_type, without_key
from whereupon.messages.structs import Frozen
from whereupon.pipeline.ingestion import Ingested, Rejected
from whereupon.web.door.callers import Caller, Callers
from whereupon.web.door.problems import EMPTY_BODY, MISSING_BATCH, ProblemError, said

BATCH = ""
"""In place of a type: the path takes a batch, whose messages have their types."""

_MISSING_TYPE, _TOO_LARGE = "missing-type", "batch-too-large"


def is_never() -> bool:
    """For a host of its own server, who does not say whether several keys send."""
    return False


class Taken(Frozen, frozen=True):
    """What became of the messages of a body.

    Attributes:
        over: how many of them are over a limit that only counts.
        cut: how many messages stand behind the limits of a batch, after the one that is rejected for it.
    """

    result: Ingested
    over: int = 0
    cut: int = 0

    @property
    def accepted(self) -> int:
        """How many messages are stored now, or were before."""
        return self.result.accepted + self.result.duplicates

    @property
    def rejected(self) -> Counter[str]:
        """How many messages are not, by the code of their rejection."""
        counts = Counter(each.code for each in self.result.rejected)
        return counts + Counter({_TOO_LARGE: self.cut})


class Intake:
    """Takes the messages of bodies.

    Args:
        callers: count what comes in under a key.
        is_shared: whether other keys send, too. Then a large body lets their messages in between.
    """

    def __init__(
        self, engine: Engine, callers: Callers, is_shared: Callable[[], bool] = is_never
    ) -> None:
        self._engine = engine
        self._callers = callers
        self._is_shared = is_shared

    def take(self, caller: Caller, body: bytes, type_: str) -> Taken:
        """Take the messages of a body.

        Args:
            body: unpacked.
            type_: the type that the path names, for a message that has none; or `BATCH`.

        Raises:
            ProblemError: the body has no messages, or they are over the limit of the key.
            StoreError: the messages could not be stored.
        """
        if not body:
            raise ProblemError(EMPTY_BODY, caller.key)
        text, count, over = without_key(body, caller.credentials.secret), 1, 0
        if caller.key.limit is not None:
            count = outer_fields(text).count
            over = self._callers.admit(caller, count)
        if type_ != BATCH:
            text = with_type(text, outer_fields(text), type_)
        result = self._engine.ingest(text, source=caller.source.value, yielding=self._is_shared())
        read = result.accepted + result.duplicates + len(result.rejected)
        if read > count:
            self._callers.owe(caller, read - count)
        if type_ == BATCH and _lacks_type(result.rejected) and not outer_fields(text).has_batch:
            raise ProblemError(MISSING_BATCH, caller.key)
        is_cut = bool(result.rejected) and result.rejected[-1].code == _TOO_LARGE
        return Taken(result, over, max(0, outer_fields(text).count - read) if is_cut else 0)


def _lacks_type(rejected: list[Rejected]) -> bool:
    return len(rejected) == 1 and rejected[0].code == _MISSING_TYPE


def said_of(taken: Taken, *, strict: bool) -> tuple[int, dict[str, object]]:
    """The status and the members of the answer.

    Args:
        strict: whether one bad message makes it 400; the good ones are in all the same.
    """
    accepted, rejected = taken.accepted, taken.result.rejected
    if not rejected:
        return 200, {"success": True}
    named = [_named(each) for each in rejected]
    if taken.cut:  # the last entry is about all that follow
        named[-1]["last"] = rejected[-1].index + taken.cut
    if accepted and not strict:
        return 200, {"success": True, "accepted": accepted, "rejected": named}
    code, message = _fault(accepted, taken.rejected.total(), rejected[0])
    return 400, {**said(code, message), "accepted": accepted, "rejected": named}


def _named(each: Rejected) -> dict[str, object]:
    return {
        "index": each.index,
        "code": each.code,
        "field": each.field,
        "message": each.message,
    }


def _fault(accepted: int, rejected: int, first: Rejected) -> tuple[str, str]:
    if accepted + rejected == 1:
        return first.code, first.message
    about = f"{rejected} of {accepted + rejected} messages were not accepted"
    rest = "the others are stored" if accepted else "none is stored"
    code = "partly-rejected" if accepted else "all-rejected"
    return code, f"{about}, {rest}; the first, at {first.index}: {first.message}"
