"""Rules: what a folder of rule files says, as values, and the way from files to these values.

The package reads rule files and says what is wrong with them. It evaluates no condition and stores
nothing: `matching` finds the rules of a message, `decide` applies them. Only `loading` opens files. Each
step, key and kind of file has one module, in `steps`, `keys` and `files`.

For others: `model` (all values), `reader` (from data to values, JSON Schema), `loading` (folders, YAML and
JSON with positions, lint), `plan` (the tracking plan), and `form`, `form_errors` and `field_types` for forms
of other files.
"""
