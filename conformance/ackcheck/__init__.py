"""The conformance suite: targets, oracle, fault injection, reports and the command line."""
