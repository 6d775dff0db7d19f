"""The door: takes messages as the clients of Segment, RudderStack, Customer.io and Jitsu send them.

For others: `Door`, `DoorOptions`.
"""

from whereupon.web.door.door import Door
from whereupon.web.door.options import DoorOptions

__all__ = ["Door", "DoorOptions"]
