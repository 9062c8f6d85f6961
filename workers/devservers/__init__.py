"""The embedded Kafka and PostgreSQL: real servers on loopback for `make run`, `make test` and `standing stack`.

Nothing here is part of a production deployment. Everything that is started is stopped, its parent killed or not.
"""
