"""The parts of the facade: what `Engine` takes and answers, and its calls in Segment's manner.

The package adds no behaviour of its own; `whereupon.engine` joins the packages below.

For others: `config` (options and answers), `segment_api` (track, identify, page, screen, group, alias).
"""
