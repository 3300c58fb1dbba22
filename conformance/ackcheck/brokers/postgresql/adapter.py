"""The two queues in PostgreSQL, as the setting `queue` says.

>>> type(queue()).__name__
'Hidden'
"""

from __future__ import annotations

import json
import os

from ackcheck.brokers.place import SETTINGS
from ackcheck.brokers.postgresql.database import Database
from ackcheck.brokers.postgresql.deleting import Deleted
from ackcheck.brokers.postgresql.visibility import Hidden


def queue() -> Database:
    """Return the target that the settings name."""
    kind = json.loads(os.environ.get(SETTINGS, "{}")).get("queue", "hidden")
    return {"hidden": Hidden, "deleted": Deleted}[kind]()
