"""Recovery, fuzzed: what the store makes of directories that no store has left.

`acklab.fuzz.mutate` changes real directories, byte by byte and record by record, with checksums that are right;
`acklab.fuzz.check` says what recovery may do with the result; `python -m acklab.fuzz` looks for inputs with
Atheris, which watches what each of them reaches (libFuzzer). Nothing is imported here: what Atheris is to watch must
not have been imported before it says so.

>>> from random import Random
>>> from acklab.fuzz.runner import run_random
>>> run_random(Random(1), runs=5).total()
5
"""
