"""What is kept of an erased message: the digest of its id, so that it is never recorded again."""

from hashlib import blake2b


def erased_digest(message_id: str) -> str:
    """32 hexadecimal digits of a hash of a message's id."""
    return blake2b(message_id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
