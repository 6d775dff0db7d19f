"""The devices of a person."""

from collections.abc import Sequence

from whereupon.ports import Session
from whereupon.records import Device


def devices_of(session: Session, person: str) -> Sequence[Device]:
    """The devices of a person, the last that was registered first; none if nobody has that user id."""
    known = session.identifiers([person], [])
    found = session.scan(Device, person_key=known[0].key) if known else []
    return sorted(found, key=lambda device: (device.updated_at, device.token), reverse=True)
