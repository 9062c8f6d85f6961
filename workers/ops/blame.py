"""Which server an error came from, so that a log, `/ready` and the line of an exit name the one that gave it.

Owns that alone. An exception of ours that a server caused says so in its attribute `server`.
"""

_OF_LIBRARY = {"asyncpg": "PostgreSQL", "aiokafka": "Kafka", "confluent_kafka": "Kafka", "cimpl": "Kafka"}


def server_of(error: BaseException) -> str:
    """PostgreSQL, Kafka, or nothing where the error does not say."""
    library = type(error).__module__.partition(".")[0]
    return str(getattr(error, "server", "")) or _OF_LIBRARY.get(library, "")


def named(error: BaseException) -> str:
    """What went wrong, in one line that names the server."""
    server, text = server_of(error), " ".join(str(error).split()) or f"no answer in time ({type(error).__name__})"
    return text if not server or f"{server} " in text else f"{server}: {text}"
