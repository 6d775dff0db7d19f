"""Profiles of Hypothesis: few examples in the suite, many in a long run.

python -m pytest tests/properties --hypothesis-profile=deep
"""

from hypothesis import settings

settings.register_profile("ci", max_examples=500)
settings.register_profile("deep", max_examples=5_000)
