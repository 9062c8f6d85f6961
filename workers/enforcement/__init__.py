"""The one road from facts to decisions: load, judge, commit.

Ingest, timers, spread and replay all enter here; only the store differs. `road` is the way, the other
modules are its stations: `fast_path` (orders that only move the clock), `taking_in` (facts into histories),
`companies` (cases into companies), `judging` (accounts into decisions), `publishing` (decisions into the log).
"""
