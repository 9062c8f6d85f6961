"""The embedded Kafka and PostgreSQL: real servers on loopback for `make run`, `make test` and `standing stack`.

Not part of a production deployment. Every server ends with its parent process, even if the parent is killed.
"""
