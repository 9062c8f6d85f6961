"""Every time limit of the engine, in seconds, and what each must be shorter than.

How long something may take is decided here; how often something is looked at is decided beside its loop.
"""

# PostgreSQL. `schemas/postgres/roles.sql` gives the roles the same limits.
CONNECT_SECONDS = 10.0
"""For each host of the database's URL to let a connection be made."""
LOCK_SECONDS = 20
"""For a statement to wait for one lock."""
STATEMENT_SECONDS = 30
"""For one statement of a worker."""
OPERATOR_STATEMENT_SECONDS = 15 * 60
"""For one statement of `standing setup` and `standing relay --reconcile`, which migrate and fill tables."""
IDLE_IN_TRANSACTION_SECONDS = 30
"""For a transaction to be left open between two statements."""
ANSWER_SECONDS = 40
"""For the server to answer at all, before its connection is given up."""
ACQUIRE_SECONDS = 30.0
"""For a connection of a pool to become free."""
CLOSE_SECONDS = 10.0
"""For the connections of a pool to close."""
OPTIONAL_DATABASE_SECONDS = 5.0
"""For the database to let `standing replay` connect, which can do without it."""
HOLD_SECONDS = 60.0
"""For the transactions that began before `standing hold` to end."""

# Kafka
REQUEST_SECONDS = 10.0
"""For the brokers to answer one question."""
PROBE_SECONDS = 5.0
"""For the brokers to answer the fetches with which `standing status` finds what cannot be read."""
TOPICS_READY_SECONDS = 30.0
"""For every partition of a new topic to answer."""
READING_SECONDS = 30.0
"""For the next record of a topic that is read as a whole."""
SESSION_SECONDS = 10
"""For a consumer to say nothing and keep its partitions."""
POLL_SECONDS = 120
"""For a consumer to poll again, before another one is given its partitions."""
LEAVE_SECONDS = 10
"""For the batch in hand when a consumer is told to stop."""
OFFSETS_SECONDS = 2.0
"""For one commit of offsets, which only operators' tools look at."""
TRANSACTION_SECONDS = 30.0
"""For a producer to say nothing within a transaction, before the brokers abort it."""
PRODUCER_SECONDS = 20.0
"""For a producer to open, which fences its predecessor, and to commit one transaction."""

# Processes
WATCHDOG_SECONDS = 120
"""For each loop of a worker to turn over, unless STANDING_WATCHDOG_SECONDS says otherwise."""
READY_SECONDS = 30.0
"""For a server to answer anything, before a worker says that it is not ready."""
SCRAPE_SECONDS = 5.0
"""For whoever asks `/metrics`, `/live` or `/ready` to ask and to take the answer."""
ADOPTION_SECONDS = 20.0
"""For the relay to adopt a PostgreSQL that is another one, before a worker ends to be started again."""
STDERR_SECONDS = 2.0
"""For what is queued for standard error to be written at the end of a process."""
LEASE_SECONDS = 5.0
"""For a fan-out worker to judge some members of a company, before another worker may try the same. It may pass while
the first one waits for a lock: `lock_fanout` finds out who came first.
"""
GOODBYE_SECONDS = 2.0
"""For a relay that ends to tell one that stands by."""
STOP_SECONDS = 14.0
"""For a worker to stop in order."""
KILL_SECONDS = 15.0
"""For a worker to stop, before its supervisor kills it."""
GRACE_SECONDS = 20.0
"""For `standing` to stop, before a service manager kills it: what the deployment files give."""

# What an operator is told
STUCK_SECONDS = 60
"""For anything to lag, to wait or to be due, before `standing status` calls it stuck."""

# The embedded servers and the demonstration
SERVER_START_SECONDS = 120.0
"""For an embedded server to answer for the first time."""
SERVER_STOP_SECONDS = 15.0
"""For an embedded server to stop, before it is killed."""
GUARDIAN_SECONDS = 10.0
"""For the servers of a parent that is gone to stop, before they are killed."""
DEMONSTRATION_SECONDS = 300.0
"""For the workers to decide the demonstration's history once all of it was sent."""

ORDER = (
    (LOCK_SECONDS, STATEMENT_SECONDS, "a statement that waits for a lock ends by the limit that names the lock"),
    (STATEMENT_SECONDS, ANSWER_SECONDS, "a slow statement is ended by the server, and its connection stays"),
    (STATEMENT_SECONDS, HOLD_SECONDS, "what began before a hold has ended or failed before its command gives up"),
    (LOCK_SECONDS, OPERATOR_STATEMENT_SECONDS, "the same holds for an operator's statement"),
    (CONNECT_SECONDS, ACQUIRE_SECONDS, "whoever waits for a connection outlasts one that is being made"),
    (ACQUIRE_SECONDS + ANSWER_SECONDS, WATCHDOG_SECONDS, "no step with the database is taken for a loop that hangs"),
    (2 * PRODUCER_SECONDS, WATCHDOG_SECONDS, "nor is a relay that opens a producer and commits"),
    (REQUEST_SECONDS, READY_SECONDS, "brokers that answered their last question are reachable"),
    (PRODUCER_SECONDS, TRANSACTION_SECONDS, "a producer knows that its commit failed before the brokers abort it"),
    (SESSION_SECONDS, POLL_SECONDS, "a worker that is gone loses its partitions sooner than one that is busy"),
    (STATEMENT_SECONDS, POLL_SECONDS, "a slow statement costs no partitions"),
    (LEAVE_SECONDS, STOP_SECONDS, "a batch in hand ends before its worker must"),
    (CLOSE_SECONDS, STOP_SECONDS, "a pool is closed before its worker must end"),
    (STOP_SECONDS, KILL_SECONDS, "a worker ends by itself before its supervisor kills it"),
    (KILL_SECONDS, GRACE_SECONDS, "a supervisor has killed its workers before it is killed"),
    (STATEMENT_SECONDS, STUCK_SECONDS, "one slow statement is not called stuck"),
)
"""Pairs of a shorter and a longer limit, and what follows; tests/test_timeouts.py compares them."""
