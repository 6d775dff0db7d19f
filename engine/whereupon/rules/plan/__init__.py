"""The tracking plan: which events, properties, attributes and channels a folder describes.

Names in rule files and test files are checked against it. The plan is made of event files and the
settings file; nothing here reads a file, and nothing here changes what a rule does.

For others: `TrackingPlan` (what is described), `PlanChecker` (checks one file's parts), `schema_paths`.
"""
