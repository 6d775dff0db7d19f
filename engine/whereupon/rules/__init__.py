"""Rules: what a folder of rule files says, as values, and the way from files to these values.

The package reads, checks and explains rule files. It decides nothing and keeps nothing: `matching`
finds the rules of a message, `decide` applies them.

For others: `model` (Rule, Rulebook, Guard, Segment), `reader` (from data to rules, forms, schema),
`loading` (folders, YAML and JSON with positions, lint). Only `loading` opens files.
"""
