"""Helpers for what hosts use beside the engine; each module says for what. Nothing of ours imports them."""
