"""A parent that is killed while it runs the embedded servers; prints what must be gone afterwards."""

import json
import signal

from workers.local.stack import local_servers

with local_servers() as servers:
    watched = {"pids": [servers.kafka.pid, servers.postgres.pid], "directory": str(servers.kafka.directory.parent)}
    print(json.dumps(watched), flush=True)
    signal.pause()
