"""The deployment that each flow is tried on."""

from tests.support.engine_fixture import engine

__all__ = ["engine"]
