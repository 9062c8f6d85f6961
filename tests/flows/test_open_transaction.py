"""What a producer has sent in a transaction that it has not ended yet: no deadline is enforced over it."""

import json

from tests.support.broker import transaction
from tests.support.databases import until
from tests.support.engine import Engine
from tests.support.facts import enrolled, paid

ALL_OTHERS_ARE_READ = """
    select count(*) >= 15 from positions where watermark = (select max(latest_occurred_at) from positions)
"""


async def test_a_suspension_waits_for_the_end_of_a_transaction(engine: Engine) -> None:
    topic, account, order = paid("zhang", "2016-08-20 10:00")
    with engine.working():
        engine.send([enrolled("zhang", "2016-03-01 10:00")])
        engine.drain()
        with transaction(engine.environment["STANDING_KAFKA_BOOTSTRAP"], engine.prefix) as shop:
            shop.produce(engine.prefix + topic, json.dumps(order).encode(), account)
            shop.flush()
            engine.send([enrolled("much-later", "2016-12-01 10:00", "globex")])
            await until(engine, ALL_OTHERS_ARE_READ)
        engine.drain()
    said = [message.value.get("kind") for message in engine.published() if message.value.get("account_id") == "zhang"]
    assert "suspension_notice" in said
    assert "account_suspended" not in said
