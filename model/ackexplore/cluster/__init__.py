"""Exploration beyond one machine: the states in parts, one a worker, and what leads from part to part exchanged."""


class WorkerLost(Exception):
    """A worker is gone, and with it the states of its part."""


class ClusterFailed(RuntimeError):
    """The search cannot go on on this cluster; the message says why."""
