"""The APIs of Customer.io, for apps that use its clients: the Track API v1 and v2, and parts of the App API.

What a call means there it means here, as far as there is such a thing; what cannot be done is refused by name. For
others: `CustomerIo`.
"""

from whereupon.web.customerio.api import CustomerIo

__all__ = ["CustomerIo"]
