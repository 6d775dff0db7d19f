"""What the command line shows: records as JSON Lines, and the same for people. Nothing is decided here.

rich is known in this package only, and where progress is shown.
"""
