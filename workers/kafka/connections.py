"""How an aiokafka consumer ends: at once, and without an error of its own; or by itself, which is one.

Owns that alone. Over TLS an orderly end can take 30 seconds: where an answer is still on its way, uvloop waits for a
farewell that a broker does not send. And where a fetch waits before it is tried again, aiokafka's `stop` raises that
fetch's CancelledError, which a group of tasks takes for its own and forgets: a shard of the relay then goes
unpublished until the watchdog. Nothing here is worth a wait: what is read is read again from its position.
"""

import asyncio

from aiokafka import AIOKafkaConsumer


class TaskEnded(Exception):
    """A task of the client library ended by itself: the worker must be started again."""


def end_at_once(consumer: AIOKafkaConsumer) -> None:
    """Have the consumer's `stop` give up its fetches, and abort its connections once it is done with them."""
    client = consumer._client
    close, stop = client.close, consumer.stop

    async def abort_and_close() -> None:
        for connection in client._conns.values():
            if connection._writer is not None:
                connection._writer.transport.abort()
        await close()

    async def give_up_and_stop() -> None:
        fetcher = consumer._fetcher
        if fetcher is not None:
            fetches = [fetcher._fetch_task, *fetcher._pending_tasks]
            for each in fetches:
                each.cancel()
            await asyncio.gather(*fetches, return_exceptions=True)
            fetcher._pending_tasks.clear()
        await stop()

    client.close = abort_and_close
    consumer.stop = give_up_and_stop
