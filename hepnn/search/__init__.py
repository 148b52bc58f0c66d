"""Many settings of one recipe: a sweep over compression, and a search over any of its keys.

Both compare runs on validation events; the test events are left to whoever chose one.
"""
