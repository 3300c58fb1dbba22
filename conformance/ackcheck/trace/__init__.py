"""A recorded history, judged while it streams: what was asked of a store and answered, and the faults it met.

`lines` reads a line into an `Entry`, `spans` makes entries of OpenTelemetry's spans, `judge` tells the oracle.
"""
