"""How the engine proves who it is to Kafka, said once and rendered for both client libraries.

Owns the translation alone; it opens nothing. The invariant: both libraries are given the same protection, and
a secret is never part of a representation.
"""

from dataclasses import dataclass, field
from typing import Literal

from aiokafka.helpers import create_ssl_context

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True)
class Security:
    """Protocol, certificates (mTLS where a client certificate is given) and password."""

    protocol: Protocol = "PLAINTEXT"
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    key_password: str | None = field(default=None, repr=False)
    mechanism: Mechanism = "SCRAM-SHA-512"
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def for_aiokafka(self) -> dict[str, object]:
        """Keyword arguments of aiokafka's clients."""
        given: dict[str, object] = {"security_protocol": self.protocol}
        if self.protocol.endswith("SSL"):
            given["ssl_context"] = create_ssl_context(
                cafile=self.ca_file,
                certfile=self.certificate_file,
                keyfile=self.key_file,
                password=self.key_password,
            )
        if self.protocol.startswith("SASL"):
            given["sasl_mechanism"] = self.mechanism
            given["sasl_plain_username"] = self.username
            given["sasl_plain_password"] = self.password
        return given

    def for_librdkafka(self) -> dict[str, str]:
        """Properties of librdkafka; those without a value are left out."""
        properties: dict[str, str | None] = {"security.protocol": self.protocol}
        if self.protocol.endswith("SSL"):
            properties["ssl.ca.location"] = self.ca_file
            properties["ssl.certificate.location"] = self.certificate_file
            properties["ssl.key.location"] = self.key_file
            properties["ssl.key.password"] = self.key_password
        if self.protocol.startswith("SASL"):
            properties["sasl.mechanism"] = self.mechanism
            properties["sasl.username"] = self.username
            properties["sasl.password"] = self.password
        return {name: value for name, value in properties.items() if value is not None}


PLAINTEXT = Security()
