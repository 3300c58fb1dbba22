"""The fast path of an ack: judged, written and answered in one go, compiled where there is a C compiler."""
