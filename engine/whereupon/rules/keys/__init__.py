"""The keys of rule files, one module each: the value, how it is written, and how it is read.

A new key of campaigns or broadcasts is a module here, its row in these tables and an attribute of
`Rule`; the forms, the reader, the schema and the words of the grammar are made from the tables. The keys
of guard files and of the settings file that have a structure of their own stand here, too. What a key
does is written in `decide`.

For others: the tables, for `rules.files`; the values are re-exported by `rules.model`.
"""

from typing import Final

from whereupon.rules.keys import when
from whereupon.rules.keys.active import ACTIVE
from whereupon.rules.keys.cap import CAP
from whereupon.rules.keys.content import CONTENT
from whereupon.rules.keys.exit import EXIT
from whereupon.rules.keys.goal import GOAL
from whereupon.rules.keys.grace import GRACE
from whereupon.rules.keys.holdout import HOLDOUT
from whereupon.rules.keys.key_row import Key
from whereupon.rules.keys.max_age import MAX_AGE
from whereupon.rules.keys.priority import PRIORITY
from whereupon.rules.keys.quiet_hours import QUIET_HOURS
from whereupon.rules.keys.rate import RATE
from whereupon.rules.keys.reentry import REENTRY
from whereupon.rules.keys.retroactive import RETROACTIVE
from whereupon.rules.keys.stay import STAY
from whereupon.rules.keys.timezone import TIMEZONE
from whereupon.rules.keys.where import WHERE
from whereupon.rules.keys.whereupon import WHEREUPON
from whereupon.rules.keys.who import WHO

_OF_BOTH: Final = (
    TIMEZONE,
    CONTENT,
    WHERE,
    WHO,
    STAY,
    MAX_AGE,
    ACTIVE,
    EXIT,
    GOAL,
    HOLDOUT,
    QUIET_HOURS,
    CAP,
    PRIORITY,
    WHEREUPON,
)

CAMPAIGN_KEYS: Final[tuple[Key, ...]] = (when.CAMPAIGN, REENTRY, RETROACTIVE, GRACE, *_OF_BOTH)
"""`when` is read first: a schedule says on which clock the dates of the conditions are."""

BROADCAST_KEYS: Final[tuple[Key, ...]] = (when.BROADCAST, RATE, *_OF_BOTH)
