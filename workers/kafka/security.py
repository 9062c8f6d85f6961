"""How the engine reaches Kafka and proves who it is, said once and rendered for both client libraries.

Owns the translation alone; it opens nothing. The invariant: both libraries are given the same addresses and the
same protection, and a secret is never part of a representation.
"""

from dataclasses import dataclass, field
from ssl import SSLContext, create_default_context
from typing import Literal

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

    @property
    def encrypts(self) -> bool:
        """Whether it is TLS."""
        return self.protocol.endswith("SSL")

    @property
    def names_user(self) -> bool:
        """Whether it is a user with a password."""
        return self.protocol.startswith("SASL")

    def context(self) -> SSLContext:
        """What verifies the brokers' certificates and names; raises OSError where a file cannot be used."""
        context = create_default_context(cafile=self.ca_file)
        if self.certificate_file is not None:
            # Without a password OpenSSL would ask the terminal, and wait.
            context.load_cert_chain(self.certificate_file, self.key_file, self.key_password or "")
        return context


PLAINTEXT = Security()


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """The brokers' addresses and how they are spoken to: what every client is made from."""

    bootstrap: str
    security: Security = PLAINTEXT

    def __str__(self) -> str:
        """As an operator is told of it."""
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
