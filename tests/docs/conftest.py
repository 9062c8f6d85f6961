"""The deployment that the documents' example program is tried on."""

from tests.support.deployment_fixture import deployment

__all__ = ["deployment"]
