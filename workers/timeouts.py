"""Every time limit of the engine, in seconds, and the order between them.

Intervals of periodic work are constants beside its loop.
"""

# PostgreSQL. `schemas/postgres/roles.sql` gives the roles the same limits.
CONNECT_SECONDS = 10.0
"""Connecting to one host of the database's URL."""
LOCK_SECONDS = 20
"""The wait of a statement for one lock (`lock_timeout`)."""
STATEMENT_SECONDS = 30
"""One statement of a worker (`statement_timeout`)."""
OPERATOR_STATEMENT_SECONDS = 15 * 60
"""One statement of `standing setup` or `standing relay --reconcile`, which migrate and fill tables."""
IDLE_IN_TRANSACTION_SECONDS = 30
"""The time between two statements of a transaction (`idle_in_transaction_session_timeout`)."""
ANSWER_SECONDS = 40
"""Any answer of the server; then its connection is closed."""
ACQUIRE_SECONDS = 30.0
"""The wait for a free connection of a pool."""
CLOSE_SECONDS = 10.0
"""Closing the connections of a pool."""
OPTIONAL_DATABASE_SECONDS = 5.0
"""Connecting for `standing replay`, which also works without the database."""
HOLD_SECONDS = 60.0
"""The end of the transactions that began before `standing hold`."""

# Kafka
REQUEST_SECONDS = 10.0
"""One request to the brokers."""
PROBE_SECONDS = 5.0
"""The fetches with which `standing status` finds unreadable partitions."""
TOPICS_READY_SECONDS = 30.0
"""Every partition of a new topic answers."""
READING_SECONDS = 30.0
"""The next record of a topic that is read as a whole."""
SESSION_SECONDS = 10
"""The time between two heartbeats of a consumer that keeps its partitions (`session.timeout.ms`)."""
GROUP_HEARTBEAT_SECONDS = 1
"""The time between two heartbeats of a consumer."""
POLL_SECONDS = 120
"""The time between two polls of a consumer that keeps its partitions (`max.poll.interval.ms`)."""
LEAVE_SECONDS = 10
"""The current batch of a consumer that stops."""
OFFSETS_SECONDS = 2.0
"""One commit of offsets, which only operators' tools read."""
TRANSACTION_SECONDS = 30.0
"""An idle transaction of a producer; then the brokers abort it (`transaction.timeout.ms`)."""
PRODUCER_SECONDS = 20.0
"""Opening a producer, which fences its predecessor, or committing one transaction."""

# Processes
WATCHDOG_SECONDS = 120
"""One round of each loop of a worker; the default of STANDING_WATCHDOG_SECONDS."""
READY_SECONDS = 30.0
"""Any answer of a server; then the worker is not ready."""
REACH_SECONDS = 10.0
"""The time between two small requests to the brokers, by which an idle worker knows that it could work."""
SCRAPE_SECONDS = 5.0
"""One request for `/metrics`, `/live` or `/ready`, with its answer."""
ADOPTION_SECONDS = 20.0
"""The relay's adoption of another PostgreSQL server; then a worker ends and is restarted."""
STDERR_SECONDS = 2.0
"""Writing the queue of standard error at the end of a process."""
LEASE_SECONDS = 5.0
"""A fan-out worker's lease for some members of a company. It may expire while the worker waits for a lock, so
`lock_fanout` checks that no other worker moved the fan-out.
"""
GOODBYE_SECONDS = 2.0
"""The notification of a relay that ends."""
STOP_SECONDS = 12.0
"""Stopping a worker; then it ends itself."""
KILL_SECONDS = 15.0
"""Stopping a worker; then its supervisor kills it."""
GRACE_SECONDS = 20.0
"""Stopping `standing`; then a service manager kills it. The deployment files set this limit."""

# Status
STUCK_SECONDS = 60
"""Any lag, wait or due deadline; then `standing status` reports it as stuck."""

# The embedded servers and the demonstration
SERVER_START_SECONDS = 120.0
"""The first answer of an embedded server."""
SERVER_STOP_SECONDS = 15.0
"""Stopping an embedded server; then it is killed."""
GUARDIAN_SECONDS = 10.0
"""The end of the killed servers of a parent that ended."""
DEMONSTRATION_SECONDS = 300.0
"""Deciding the demonstration's history after all of it was sent."""

ORDER = (
    (LOCK_SECONDS, STATEMENT_SECONDS, "a statement that waits for a lock fails with an error that names the lock"),
    (STATEMENT_SECONDS, ANSWER_SECONDS, "the server ends a slow statement, and its connection stays open"),
    (STATEMENT_SECONDS, HOLD_SECONDS, "transactions from before a hold end before its command gives up"),
    (LOCK_SECONDS, OPERATOR_STATEMENT_SECONDS, "an operator's statement that waits for a lock names it too"),
    (CONNECT_SECONDS, ACQUIRE_SECONDS, "a wait for a connection covers the time to connect"),
    (ACQUIRE_SECONDS + ANSWER_SECONDS, WATCHDOG_SECONDS, "a slow statement does not make a loop stall"),
    (2 * PRODUCER_SECONDS, WATCHDOG_SECONDS, "opening a producer and committing does not make a loop stall"),
    (REACH_SECONDS + REQUEST_SECONDS, READY_SECONDS, "one slow request does not make an idle worker unready"),
    (PRODUCER_SECONDS, TRANSACTION_SECONDS, "a producer knows that its commit failed before the brokers abort it"),
    (3 * GROUP_HEARTBEAT_SECONDS, SESSION_SECONDS, "two heartbeats may be lost"),
    (SESSION_SECONDS, POLL_SECONDS, "a dead worker loses its partitions sooner than a slow one"),
    (STATEMENT_SECONDS, POLL_SECONDS, "a slow statement costs no partitions"),
    (LEAVE_SECONDS, STOP_SECONDS, "the current batch ends before its worker ends itself"),
    (CLOSE_SECONDS, STOP_SECONDS, "a pool is closed before its worker ends itself"),
    (STOP_SECONDS + STDERR_SECONDS, KILL_SECONDS, "a worker ends itself before its supervisor kills it"),
    (KILL_SECONDS, GRACE_SECONDS, "a supervisor kills its workers before it is killed"),
    (STATEMENT_SECONDS, STUCK_SECONDS, "one slow statement is not reported as stuck"),
)
"""Pairs of a shorter and a longer limit, and the reason; tests/test_timeouts.py compares them."""
