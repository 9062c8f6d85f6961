"""What a chunk of bytes on its way to a server says: where a connection is worth a cut."""

END_TRANSACTION = b"\x00\x1a"
"""The API key of EndTxn, the fifth and sixth byte of a request to Kafka."""


def is_commit(chunk: bytes) -> bool:
    return b"COMMIT;" in chunk


def is_end_of_transaction(chunk: bytes) -> bool:
    return chunk[4:6] == END_TRANSACTION
