"""The devices of a person, as channels ask for them."""

from collections.abc import Sequence
from hashlib import blake2b

from whereupon.api.parts import EngineParts
from whereupon.api.segment_api import SegmentCalls
from whereupon.messages.codec import encode
from whereupon.messages.times import as_micros
from whereupon.operations.devices import devices_of
from whereupon.pipeline.ingestion import refuse
from whereupon.records import Device


class DeviceCalls(EngineParts, SegmentCalls):
    """The calls about devices."""

    def devices(self, person: str) -> Sequence[Device]:
        """The devices of a person, the last that was registered first; none if nobody has that user id."""
        with self.store.reading() as session:
            return devices_of(session, person)

    def delete_device(self, person: str, device: Device) -> None:
        """Delete a device that no longer exists, by the message ``Device Deleted`` of a server.

        The same registration is deleted once. Guards have their say, as with every such message.
        """
        name = [device.token, as_micros(device.updated_at)]
        message = {
            "type": "track",
            "event": "Device Deleted",
            "userId": person,
            "messageId": f"device-gone-{blake2b(encode(name), digest_size=16).hexdigest()}",
            "context": {"device": {"token": device.token}},
        }
        refuse(self.ingest([message]).rejected)
