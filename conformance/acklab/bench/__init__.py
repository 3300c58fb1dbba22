"""How fast the reference store is, against its own modes and its peers, in one run on one machine.

A *contender* acknowledges messages one by one, from a number of threads, for a while; what comes out is a `Sample`.
Contenders take turns, several rounds of them, so that a slow spell of the machine meets all; what is reported are
medians. Only ratios within one run say anything: the same disk is ten times slower on another day.

- `acklab.bench.measure`: threads, times, a `Sample`.
- `acklab.bench.stores`: the reference store in each mode, and a bare loop of writes.
- `acklab.bench.peers`: SQLite, LMDB, persist-queue.
- `acklab.bench.costs`: recovery time, and memory per message in flight.
- `acklab.bench.results`: the rounds, the ratios, the JSON; `acklab.bench.plot`: a picture.

>>> from acklab.bench.measure import timed
>>> sample = timed([iter(range(1000)), iter(range(1000))], lambda item: None, seconds=5.0)
>>> sample.operations, sample.p50 <= sample.p99 <= sample.p999
(2000, True)
"""
