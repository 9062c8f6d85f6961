"""Which server an error came from; logs, `/ready` and the line of an exit name that server.

An exception class of the engine names its server in the attribute `server`.
"""

_OF_LIBRARY = {"asyncpg": "PostgreSQL", "aiokafka": "Kafka", "confluent_kafka": "Kafka", "cimpl": "Kafka"}


def server_of(error: BaseException) -> str:
    """`PostgreSQL`, `Kafka`, or an empty string if neither caused the error."""
    library = type(error).__module__.partition(".")[0]
    return str(getattr(error, "server", "")) or _OF_LIBRARY.get(library, "")


def named(error: BaseException) -> str:
    """The error in one line that names its server."""
    server, text = server_of(error), " ".join(str(error).split()) or f"no answer in time ({type(error).__name__})"
    return text if not server or f"{server} " in text else f"{server}: {text}"
