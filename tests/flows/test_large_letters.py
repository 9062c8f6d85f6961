"""A bad record whose key or headers fill it: its dead letter still fits a message, and the relay continues."""

import base64
import os

from tests.support.deployment import Deployment
from tests.support.facts import enrolled
from tests.support.raw import send_to


def test_a_bad_record_of_any_shape_fits_into_a_dead_letter(deployment: Deployment) -> None:
    noise = os.urandom(700_000)  # what shrinks would fit
    with deployment.working():
        send_to(deployment, "seller-accounts", 0, [b"{"], key=noise)
        send_to(deployment, "seller-accounts", 0, [b"{"], headers=[("h\u0001", b"")] * 200_000)
        send_to(deployment, "seller-accounts", 0, [b"{"], headers=[("first", b"1"), ("h", noise), ("last", b"")])
        deployment.send([enrolled("good", "2016-03-01 10:00")])
        deployment.drain()
        found = [each for each in deployment.published() if each.topic == "dead-letters"]
        refused = deployment.standing("dead-letters", "redrive", "--all", check=False)
    keyed, many, long = (each.value for each in sorted(found, key=lambda each: each.value["offset"]))
    assert base64.b64decode(keyed["key"]) == noise[:65_536]
    assert (keyed["key_length"], many["headers_left_out"]) == (700_000, 199_000)
    assert [each["name"] for each in long["headers"]] == ["first"]
    assert long["headers_left_out"] == 2
    assert refused.returncode == 1
    assert refused.stdout.count("refused:") == 3
