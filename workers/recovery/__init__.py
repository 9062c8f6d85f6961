"""Decides a history again from the topics, to compare it with what was published or to rebuild a database.

`replay`: `standing replay` reads a history and compares its decisions with the published ones.
`reconcile`: `standing relay --reconcile` finds what was lost, and rebuilds the database from the topics.

They share:

- `decide_again`: decides a history with the engine's own code and the store in memory
- `memory`, `memory_tables`: the unit of work in memory, and its committed tables
- `snapshot`: how far the live engine read, judged and logged
- `published_decisions`: what the output topics contain
- `compare`: the differences between recomputed and published decisions

Only `reconcile` uses:

- `rebuild_tables`: writes the tables of the database from those in memory
- `rebuild_log`: writes the decision log from the output topics
- `restore_kafka`: writes checkpoints and output topics that Kafka lost, from the decision log
"""
