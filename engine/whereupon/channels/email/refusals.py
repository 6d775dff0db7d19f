"""What a mail server's refusal means for a delivery (RFC 5321 for codes, RFC 3463 and 7504 for enhanced ones).

A refusal that is about the recipient or the message ends the delivery. One that is about the sender's own
settings (a login, a relay that is denied, an unsigned domain) ends none: people mend it, and the mails go out then.
"""

import re
from enum import StrEnum
from typing import Final

_ENHANCED: Final = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})\b")
_ADDRESS: Final = re.compile(r"[^\s<>()\"']+@[^\s<>()\"',;]+")
_ABOUT_US: Final = re.compile(
    r"relay|authenticat|log ?in|not (permitted|allowed|authorized) to send|spf|dkim|dmarc|reverse dns|\bptr\b"
    r"|block|blacklist|denylist|spamhaus|reputation|policy|rate limit|starttls",
    re.IGNORECASE,
)
_LONGEST_TEXT: Final = 200


class Stage(StrEnum):
    """What was refused."""

    CONNECT = "connecting"
    LOGIN = "the login"
    SENDER = "the sender"
    RECIPIENT = "the recipient"
    MESSAGE = "the message"


class Meaning(StrEnum):
    """What becomes of the delivery.

    ``later``: the server is busy or in trouble. ``soon``: it asks this mail to come again (greylisting).
    ``ours``: the sender's settings have to be mended. ``refused``: never. ``bounced``: never, and the address
    takes no mail at all.
    """

    LATER = "later"
    SOON = "soon"
    OURS = "ours"
    REFUSED = "refused"
    BOUNCED = "bounced"


class RefusedError(Exception):
    """The server answered a command with a code that is not success.

    Attributes:
        stage: the command.
        code: three digits.
        enhanced: subject and detail of the enhanced code, such as ``(1, 1)`` for 5.1.1; None if there is none.
        said: the server's words, without addresses.
    """

    def __init__(self, stage: Stage, code: int, said: bytes) -> None:
        self.stage, self.code = stage, code
        text = " ".join(said.decode("utf-8", "replace").split())
        found = _ENHANCED.match(text)
        self.enhanced = None if found is None else (int(found[2]), int(found[3]))
        self.said = _ADDRESS.sub("(address)", text)[:_LONGEST_TEXT]
        super().__init__(f"the server refused {stage}: {code} {self.said}".rstrip())

    @property
    def meaning(self) -> Meaning:
        """What becomes of the delivery."""
        if self.code not in _PERMANENT:
            is_one_mail = self.stage in (Stage.RECIPIENT, Stage.MESSAGE)
            return Meaning.SOON if is_one_mail and self.code in _GREYLISTING else Meaning.LATER
        if self.stage in (Stage.CONNECT, Stage.LOGIN) or self.code in _PROTOCOL:
            return Meaning.OURS
        if self.enhanced is None:
            return self._by_words()
        return self._by_enhanced(*self.enhanced)

    def _by_enhanced(self, subject: int, detail: int) -> Meaning:
        if (subject, detail) in _OF_THE_MESSAGE:
            return Meaning.REFUSED
        if self.stage is Stage.SENDER or (subject, detail) in _OF_US:
            return Meaning.OURS
        if self.stage is Stage.MESSAGE:
            return Meaning.OURS if subject == _POLICY and self._is_about_us() else Meaning.REFUSED
        if (subject, detail) in _NO_MAILBOX:
            return Meaning.BOUNCED
        if subject == _POLICY:
            return Meaning.REFUSED if detail in _OF_ONE_MAILBOX else Meaning.OURS
        if (subject, detail) == (1, 0) or (subject, detail) == (0, 0):
            return self._by_words()
        return Meaning.REFUSED

    def _by_words(self) -> Meaning:
        """The meaning of a code alone, as older servers answer."""
        if self.stage is Stage.SENDER:
            return Meaning.REFUSED if self.code == _TOO_LARGE else Meaning.OURS
        if self._is_about_us():
            return Meaning.OURS
        is_mailbox = self.stage is Stage.RECIPIENT and self.code in _MAILBOX
        return Meaning.BOUNCED if is_mailbox else Meaning.REFUSED

    def _is_about_us(self) -> bool:
        return _ABOUT_US.search(self.said) is not None


_PERMANENT: Final = range(500, 600)
_GREYLISTING: Final = (450, 451)
_POLICY: Final = 7  # subject 7: security and policy
_TOO_LARGE: Final = 552
_MAILBOX: Final = (550, 551, 553)
_PROTOCOL: Final = (500, 502, 503, 504, 521, 523, 530, 534, 535, 538)
_NO_MAILBOX: Final = frozenset(
    {(1, 1), (1, 2), (1, 3), (1, 6), (1, 9), (1, 10), (2, 0), (2, 1), (4, 4)}
)
_OF_ONE_MAILBOX: Final = frozenset({2, 13, 15, 16, 17, 18})
_OF_US: Final = frozenset(
    {(1, 7), (1, 8), (3, 2), (3, 5)} | {(5, n) for n in range(7)} | {(7, n) for n in range(20, 31)}
)
_OF_THE_MESSAGE: Final = frozenset({(2, 3), (3, 4), (6, 0), (6, 1), (6, 3), (6, 6), (6, 7), (6, 9)})
