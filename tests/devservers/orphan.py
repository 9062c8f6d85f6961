"""A parent that is killed while it runs the embedded servers; prints what must be gone afterwards."""

import json
import signal
import time

from workers.devservers.servers import SOON
from workers.devservers.stack import local_servers

signal.signal(signal.SIGINT, signal.default_int_handler)  # who was started in the background ignores it else
with local_servers(java=SOON) as servers:
    watched = {"pids": [servers.kafka.pid, servers.postgres.pid], "directory": str(servers.kafka.directory.parent)}
    print(json.dumps(watched), flush=True)
    while True:  # to pause for ever would miss a signal that came just before
        time.sleep(0.1)
