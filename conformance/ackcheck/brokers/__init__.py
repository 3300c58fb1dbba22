"""Real brokers: a folder is one broker, with a profile, an adapter, and the verdict that is expected (specs/brokers).

>>> from ackcheck.brokers.profile import names
>>> "redis" in names()
True
"""
