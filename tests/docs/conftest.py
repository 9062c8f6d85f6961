"""The deployment that the documents' example program is tried on."""

from tests.support.engine_fixture import engine

__all__ = ["engine"]
