"""How the connections of an aiokafka client end: at once.

Owns that alone. Over TLS an orderly end can take 30 seconds: where an answer is still on its way, uvloop waits for a
farewell that a broker does not send. Nothing here is worth the wait: what is read is read again from its position.
"""

from aiokafka import AIOKafkaConsumer


def end_at_once(consumer: AIOKafkaConsumer) -> None:
    """Have the consumer's `stop` abort its connections, once it is done with them."""
    client = consumer._client
    close = client.close

    async def abort_and_close() -> None:
        for connection in client._conns.values():
            if connection._writer is not None:
                connection._writer.transport.abort()
        await close()

    client.close = abort_and_close
