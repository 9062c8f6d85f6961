"""What a producer has sent in a transaction that it has not ended yet: no deadline is enforced over it."""

import json

from tests.support.broker import transaction
from tests.support.databases import until
from tests.support.deployment import Deployment
from tests.support.facts import enrolled, paid

ALL_OTHERS_ARE_READ = """
    select count(*) >= 15 from positions where watermark = (select max(latest_occurred_at) from positions)
"""


async def test_a_suspension_waits_for_the_end_of_a_transaction(deployment: Deployment) -> None:
    topic, account, order = paid("zhang", "2016-08-20 10:00")
    with deployment.working():
        deployment.send([enrolled("zhang", "2016-03-01 10:00")])
        deployment.drain()
        with transaction(deployment.environment["STANDING_KAFKA_BOOTSTRAP"], deployment.prefix) as shop:
            shop.produce(deployment.prefix + topic, json.dumps(order).encode(), account)
            shop.flush()
            deployment.send([enrolled("much-later", "2016-12-01 10:00", "globex")])
            await until(deployment, ALL_OTHERS_ARE_READ)
        deployment.drain()
    said = [
        message.value.get("kind") for message in deployment.published() if message.value.get("account_id") == "zhang"
    ]
    assert "suspension_notice" in said
    assert "account_suspended" not in said
