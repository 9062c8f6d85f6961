"""Stops an aiokafka consumer immediately and without an error.

Over TLS a regular stop can take 30 seconds, because uvloop waits for a close that the broker does not send while an
answer is pending. If a fetch waits before its next try, aiokafka's `stop` raises that fetch's CancelledError, which a
TaskGroup takes for its own and swallows: a shard of the relay would then stay unpublished until the watchdog ends the
process. Aborting loses nothing, because records are read again from the stored position.
"""

import asyncio

from aiokafka import AIOKafkaConsumer


class TaskEnded(Exception):
    """A task of the client library ended unexpectedly; the worker must be restarted."""


def stop_immediately(consumer: AIOKafkaConsumer) -> None:
    """Make the consumer's `stop` cancel its fetches and abort its connections."""
    client = consumer._client
    close, stop = client.close, consumer.stop

    async def abort_and_close() -> None:
        for connection in client._conns.values():
            if connection._writer is not None:
                connection._writer.transport.abort()
        await close()

    async def cancel_and_stop() -> None:
        fetcher = consumer._fetcher
        if fetcher is not None:
            fetches = [fetcher._fetch_task, *fetcher._pending_tasks]
            for each in fetches:
                each.cancel()
            await asyncio.gather(*fetches, return_exceptions=True)
            fetcher._pending_tasks.clear()
        await stop()

    client.close = abort_and_close
    consumer.stop = cancel_and_stop
