"""The deployment that the documents' example program is tried on."""

from tests.flows.conftest import engine

__all__ = ["engine"]
