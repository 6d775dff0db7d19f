"""The doctor: looks whether an engine could run with a configuration, and says what to do where it could not.

It changes nothing: it makes no tables, sends nothing, and records nothing. No finding holds a secret or a person's
data.

For others: `examine`, which gives the findings, and `Examined`, one of them with its area.
"""

from whereupon.doctor.examination import Examined, examine

__all__ = ["Examined", "examine"]
