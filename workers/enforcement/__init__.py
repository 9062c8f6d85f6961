"""From facts to decisions: the units of work of ingest, timers, fan-out, retry and replay.

`process` has the entry points and the order of every unit of work: load and lock (`unit_of_work`, `fast_path`,
`account_context`), evaluate (`evaluate`, `companies`), write (`outbox`). `inputs` says how positions move with a
batch, `isolation` finds the account that makes a unit of work fail, `completion` ends a fan-out.
"""
