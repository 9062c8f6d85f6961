"""Which settings go together, which line refuses those that do not, and that no secret is ever part of it."""

import ssl
from dataclasses import fields
from pathlib import Path

import click
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from workers.run_command import one_clear_line
from workers.settings import BadSetting, Settings, read_settings

SECRET = "hush-hush"  # noqa: S105
USER = {"KAFKA_USERNAME": "me", "KAFKA_PASSWORD": SECRET}
SASL_SSL = {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}
SSL = {"KAFKA_SECURITY_PROTOCOL": "SSL"}
CERTIFICATE = SSL | {"KAFKA_CERTIFICATE_FILE": "client.pem"}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with certificates, where no `.env` lies; the working directory."""
    monkeypatch.chdir(tmp_path)
    authority = trustme.CA()
    authority.cert_pem.write_to_path("ca.pem")
    client = authority.issue_cert("client.example")
    client.cert_chain_pems[0].write_to_path("client.pem")
    client.private_key_pem.write_to_path("key.pem")
    authority.issue_cert("other.example").private_key_pem.write_to_path("other-key.pem")
    key = load_pem_private_key(client.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(SECRET.encode()))
    Path("locked-key.pem").write_bytes(locked)
    Path("no.pem").write_text("no certificate\n")
    return tmp_path


def given(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> Settings:
    """The settings of an environment."""
    for name, value in settings.items():
        monkeypatch.setenv(f"STANDING_{name}", value)
    return read_settings()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (SASL_SSL, "STANDING_KAFKA_USERNAME is required with STANDING_KAFKA_SECURITY_PROTOCOL=SASL_SSL"),
        (SASL_SSL | {"KAFKA_USERNAME": "me"}, "STANDING_KAFKA_PASSWORD is required with"),
        (USER, "STANDING_KAFKA_USERNAME has no effect with STANDING_KAFKA_SECURITY_PROTOCOL=PLAINTEXT: use SASL_SSL"),
        (SSL | {"KAFKA_PASSWORD": SECRET}, "STANDING_KAFKA_PASSWORD has no effect with"),
        ({"KAFKA_CA_FILE": "ca.pem"}, "STANDING_KAFKA_CA_FILE has no effect with"),
        (SSL | {"KAFKA_CA_FILE": "none.pem"}, "STANDING_KAFKA_CA_FILE: there is no file none.pem"),
        (SSL | {"KAFKA_CA_FILE": "no.pem"}, "for Kafka cannot be used (no.pem): "),
        (CERTIFICATE, "_CERTIFICATE_FILE and STANDING_KAFKA_KEY_FILE must be given together"),
        (
            CERTIFICATE | {"KAFKA_KEY_FILE": "other-key.pem"},
            "for Kafka cannot be used (client.pem, other-key.pem): ",
        ),
        (
            CERTIFICATE | {"KAFKA_KEY_FILE": "locked-key.pem"},
            "for Kafka cannot be used (client.pem, locked-key.pem): ",
        ),
        (SSL | {"KAFKA_KEY_PASSWORD": SECRET}, "STANDING_KAFKA_KEY_PASSWORD has no effect without"),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "bad setting STANDING_KAFKA_SECURITY_PROTOCOL: it must be one of "),
        (
            SASL_SSL | USER | {"KAFKA_SASL_MECHANISM": "GSSAPI"},
            "bad setting STANDING_KAFKA_SASL_MECHANISM: it must be",
        ),
        ({"DATABASE_URL": f"postgresql://me:{SECRET}/x@host/db"}, "write special characters of the password as %XX"),
        ({"DATABASE_URL": f"postgresql://me:{SECRET}@one:5432,two:0/db"}, "write special characters of the password"),
        ({"DATABASE_URL": f"mysql://me:{SECRET}@host/db"}, "STANDING_DATABASE_URL: it must begin with postgresql://"),
        (
            {"DATABASE_URL": f"postgresql://me:{SECRET}@host/db?sslmode=verify-full&sslrootcert=none.pem"},
            "STANDING_DATABASE_URL: sslrootcert: there is no file none.pem",
        ),
    ],
)
def test_what_does_not_go_together_is_one_line_that_names_the_setting(
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, str],
    said: str,
) -> None:
    with pytest.raises(BadSetting) as refused:
        given(monkeypatch, settings)
    assert SECRET not in f"{refused.value!r} {refused.value}"
    with pytest.raises(click.exceptions.Exit) as ended, one_clear_line():
        raise refused.value
    line = capsys.readouterr().err
    assert line.startswith("standing: bad setting")
    assert said in line
    assert SECRET not in line
    assert line.count("\n") == 1
    assert ended.value.exit_code == 2


@pytest.mark.parametrize(
    "settings",
    [
        SASL_SSL | USER,
        SASL_SSL | USER | {"KAFKA_CA_FILE": "ca.pem", "KAFKA_SASL_MECHANISM": "PLAIN"},
        SSL
        | {"KAFKA_CERTIFICATE_FILE": "client.pem", "KAFKA_KEY_FILE": "locked-key.pem", "KAFKA_KEY_PASSWORD": SECRET},
        {"DATABASE_URL": f"postgresql://me:{SECRET}@host/db?sslmode=verify-full&sslrootcert=ca.pem"},
        {"DATABASE_URL": f"postgresql://me:{SECRET}@one:5432,[::1]:5433,two/db?target_session_attrs=read-write"},
    ],
)
def test_no_representation_shows_a_secret(
    files: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    made = given(monkeypatch, settings)
    assert SECRET not in f"{made} {made!r} {made.kafka} {made.kafka!r}"


def test_certificates_are_always_verified_and_names_too(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = given(monkeypatch, SSL).kafka.security.context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize("in_file", [False, True])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("STANDING_SETTLE_SECONDS", "STANDING_SETTLE_SECONDS is now STANDING_ALLOWED_LATENESS_SECONDS: rename it"),
        (
            "STANDING_ALOWED_LATENES",
            "no setting STANDING_ALOWED_LATENES; did you mean STANDING_ALLOWED_LATENESS_SECO",
        ),
        ("STANDING_KAFKA_BOOTSTRAPS", "no setting STANDING_KAFKA_BOOTSTRAPS; did you mean STANDING_KAFKA_BOOTSTRAP?"),
        ("STANDING_DATABASEURL", "no setting STANDING_DATABASEURL; did you mean STANDING_DATABASE_URL?"),
        ("standing_clok", "no setting STANDING_CLOK; did you mean STANDING_CLOCK?"),
        ("STANDING_", "there is no setting STANDING_"),
    ],
)
def test_a_name_that_is_no_setting_is_refused_with_the_nearest_one(
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    said: str,
    in_file: bool,
) -> None:
    if in_file:
        Path(".env").write_text(f"{name}=1\n")
    else:
        monkeypatch.setenv(name, "1")
    assert_refused(said, capsys)


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e400", "-1", "1e9", "9" * 5000, "ten", "", "\udcff"])
@pytest.mark.parametrize(
    "name",
    [each.name for each in fields(Settings) if each.type in (int, float)],
)
def test_an_absurd_number_is_refused_and_its_setting_named(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    variable = f"STANDING_{name.upper()}"
    monkeypatch.setenv(variable, value)
    assert_refused(f"bad setting {variable}: ", capsys)


@pytest.mark.parametrize("name", [each.name for each in fields(Settings)])
def test_bytes_that_are_not_text_are_refused_and_their_setting_named(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    variable = f"STANDING_{name.upper()}"
    monkeypatch.setenv(variable, "x\udcff")
    assert_refused(f"bad setting {variable}: ", capsys)


BROKERS = ["", " ", ",", "a,", "a b", "x:y", "h:0", "h:99999", "h:-1", "http://h:1", "[::1", "\x1b[31m", "h:١"]
URLS = [
    "postgresql://h1,,h2/db",
    "postgresql://h/db?port=abc",
    "postgresql://h/db?port=65536",
    "postgresql://h/db?sslmode=no",
    "postgresql://h1,h2/db?target_session_attrs=writable",
]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("KAFKA_BOOTSTRAP", each) for each in BROKERS),
        *(("DATABASE_URL", each) for each in URLS),
        ("METRICS_HOST", "x y"),
        ("METRICS_HOST", "x" * 256),
        ("INSTANCE", "x" * 201),
    ],
)
def test_an_invalid_address_is_not_reported_as_an_unreachable_server(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(f"STANDING_{name}", value)
    assert_refused(f"bad setting STANDING_{name}: ", capsys)


@pytest.mark.parametrize(
    "value", ["kafka", "a:1,b:65535", "a.example:1, b_2:2", "127.0.0.1:9092", "[::1]:9092", "[fe80::1%eth0]:1"]
)
def test_addresses_of_brokers_are_taken(files: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    assert given(monkeypatch, {"KAFKA_BOOTSTRAP": value}).kafka.bootstrap == value


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("allowed_lateness_seconds", 0, 366 * 86_400),
        ("partitions", 1, 1000),
        ("max_record_bytes", 1, 1024**3),
        ("batch_size", 1, 50_000),
        ("shards", 1, 64),
        ("ingests", 1, 64),
        ("metrics_port", 0, 65_000),
        ("watchdog_seconds", 1, 86_400),
    ],
)
def test_a_number_is_taken_at_its_limits_and_refused_beyond_them(
    files: Path, monkeypatch: pytest.MonkeyPatch, name: str, least: int, most: int
) -> None:
    for good in (least, most):
        assert getattr(given(monkeypatch, {name.upper(): str(good)}), name) == good
    for bad in (least - 1, most + 1):
        with pytest.raises(BadSetting, match=name.upper()):
            given(monkeypatch, {name.upper(): str(bad)})


def test_the_service_variables_of_kubernetes_are_not_misspelt_settings(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = {
        "METRICS_SERVICE_HOST": "10.0.0.1",
        "METRICS_SERVICE_PORT_HTTP": "9464",
        "PORT": "tcp://10.0.0.1:9464",
        "PORT_9464_TCP_ADDR": "10.0.0.1",
    }
    assert given(monkeypatch, links) == Settings()


def test_a_file_of_settings_that_is_not_utf_8_is_one_line(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path(".env").write_bytes(b"STANDING_CLOCK=\xff\n")
    assert_refused(".env is not UTF-8", capsys)


def test_the_environment_counts_before_a_file_of_settings(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("# here\nexport STANDING_CLOCK='events'\nSTANDING_SHARDS=2\n")
    made = given(monkeypatch, {"SHARDS": "3"})
    assert (made.clock, made.shards) == ("events", 3)


def assert_refused(said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The settings end a command with one line that says so, and exit code 2."""
    with pytest.raises(click.exceptions.Exit) as ended, one_clear_line():
        read_settings()
    line = capsys.readouterr().err
    assert line.startswith("standing: ")
    assert said in line
    assert line.count("\n") == 1
    assert ended.value.exit_code == 2
