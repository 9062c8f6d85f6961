"""Addresses, encryption and authentication of Kafka clients, rendered for both client libraries.

The invariant: both libraries get the same addresses and security settings, and no secret is part of a `repr`.
"""

from dataclasses import dataclass, field
from ssl import SSLContext, create_default_context
from typing import Literal

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True)
class Security:
    """Protocol, certificates (mTLS if there is a client certificate) and password."""

    protocol: Protocol = "PLAINTEXT"
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    key_password: str | None = field(default=None, repr=False)
    mechanism: Mechanism = "SCRAM-SHA-512"
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def encrypts(self) -> bool:
        """Whether the protocol uses TLS."""
        return self.protocol.endswith("SSL")

    @property
    def names_user(self) -> bool:
        """Whether the protocol authenticates a user with a password."""
        return self.protocol.startswith("SASL")

    def context(self) -> SSLContext:
        """A TLS context that verifies the brokers' certificates and names; raises OSError for an unusable file."""
        context = create_default_context(cafile=self.ca_file)
        if self.certificate_file is not None:
            # Without a password OpenSSL would prompt on the terminal and block.
            context.load_cert_chain(self.certificate_file, self.key_file, self.key_password or "")
        return context


PLAINTEXT = Security()


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """The brokers' addresses and the security settings, from which every client is created."""

    bootstrap: str
    security: Security = PLAINTEXT

    def __str__(self) -> str:
        """The addresses and the protocol, for messages."""
        return f"{self.bootstrap} ({self.security.protocol})"

    def aiokafka(self) -> dict[str, object]:
        """Keyword arguments of aiokafka's clients."""
        security = self.security
        given: dict[str, object] = {"bootstrap_servers": self.bootstrap, "security_protocol": security.protocol}
        if security.encrypts:
            given["ssl_context"] = security.context()
        if security.names_user:
            given["sasl_mechanism"] = security.mechanism
            given["sasl_plain_username"] = security.username
            given["sasl_plain_password"] = security.password
        return given

    def librdkafka(self) -> dict[str, str]:
        """Properties of librdkafka; those without a value are left out."""
        security = self.security
        properties: dict[str, str | None] = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": security.protocol,
        }
        if security.encrypts:
            properties["ssl.ca.location"] = security.ca_file
            properties["ssl.certificate.location"] = security.certificate_file
            properties["ssl.key.location"] = security.key_file
            properties["ssl.key.password"] = security.key_password
        if security.names_user:
            properties["sasl.mechanism"] = security.mechanism
            properties["sasl.username"] = security.username
            properties["sasl.password"] = security.password
        return {name: value for name, value in properties.items() if value is not None}
