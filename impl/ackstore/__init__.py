"""An embedded, durable store of consumption progress: which messages were handed out and settled.

Message bodies live elsewhere. The store knows how many messages a queue holds, hands them out with
a receipt and a deadline, and keeps the acks, asynchronously or synchronously, on disk:

>>> import ackstore, tempfile
>>> directory = tempfile.mkdtemp()
>>> with ackstore.open(directory, config=Config(mode="async")) as store:
...     store.publish("orders/billing/3", 100)
...     (delivery,) = store.pop("orders/billing/3", count=1, invisible=30.0)
...     store.ack(delivery.receipt)  # CACHED: survives a crash of the process
...     store.flush()  # FLUSHED: survives power loss
<Reply.OK: 'OK'>
<Reply.OK: 'OK'>
>>> with ackstore.open(directory) as store:
...     store.ack(delivery.receipt)
<Reply.SETTLED: 'SETTLED'>

`Store` says what each call promises, `Config` what can be set, `ackstore.core.core` how it works inside.
"""

from ackstore.core.core import Core
from ackstore.core.effects import Answer
from ackstore.format.recovery import Recovered, recover
from ackstore.store import Store
from ackstore.store import Store as open
from ackstore.words.config import Config
from ackstore.words.errors import (
    ConfigInvalid,
    CountOutOfRange,
    DirectoryError,
    DirectoryInUse,
    DirectoryIsAFile,
    DirectoryNameInvalid,
    DirectoryNotEmpty,
    DirectoryNotWritable,
    DurationOutOfRange,
    FileIsALink,
    FutureFormat,
    LogDamaged,
    LogError,
    LogsDiffer,
    LogUnreadable,
    MetricsMissing,
    NoStore,
    NumbersExhausted,
    OffsetsAheadOfLog,
    OffsetsDamaged,
    QueueNameInvalid,
    QueueUnknown,
    ResetsExhausted,
    StoreBroken,
    StoreClosed,
    StoreError,
    StoreForked,
    StoreStalled,
    TooManyQueues,
    UsageError,
)
from ackstore.words.histogram import HistogramStats
from ackstore.words.identity import Delivery, QueueId, Receipt
from ackstore.words.replies import DeadLetter, Reply, Stage
from ackstore.words.stats import QueueStats, Recovery, Stats

__all__ = [
    "Answer",
    "Config",
    "ConfigInvalid",
    "Core",
    "CountOutOfRange",
    "DeadLetter",
    "Delivery",
    "DirectoryError",
    "DirectoryInUse",
    "DirectoryIsAFile",
    "DirectoryNameInvalid",
    "DirectoryNotEmpty",
    "DirectoryNotWritable",
    "DurationOutOfRange",
    "FileIsALink",
    "FutureFormat",
    "HistogramStats",
    "LogDamaged",
    "LogError",
    "LogUnreadable",
    "LogsDiffer",
    "MetricsMissing",
    "NoStore",
    "NumbersExhausted",
    "OffsetsAheadOfLog",
    "OffsetsDamaged",
    "QueueId",
    "QueueNameInvalid",
    "QueueStats",
    "QueueUnknown",
    "Receipt",
    "Recovered",
    "Recovery",
    "Reply",
    "ResetsExhausted",
    "Stage",
    "Stats",
    "Store",
    "StoreBroken",
    "StoreClosed",
    "StoreError",
    "StoreForked",
    "StoreStalled",
    "TooManyQueues",
    "UsageError",
    "open",
    "recover",
]
