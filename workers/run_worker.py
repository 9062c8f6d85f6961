"""What each of `standing ingest`, `timers`, `fanout` and `relay` opens and runs until SIGTERM."""

import asyncio
from functools import partial

from confluent_kafka import KafkaException

from contracts.topics import INPUT_TOPICS
from workers import fanout, relay, timers
from workers.checkpoints import CHECKPOINTS_TOPIC, published_seq
from workers.kafka.admin import KafkaUnreachable
from workers.kafka.last_record import last_record
from workers.lost_topics import check_topics, written_to
from workers.measuring import Sampler, reach_kafka
from workers.ops.clock import WallClock
from workers.ops.health import Vitals
from workers.ops.logs import Log
from workers.ops.slots import NameTaken, owner_name, take_slot
from workers.settings import Settings
from workers.standby import until_gone
from workers.store import channels
from workers.store.deployment import adopt_server
from workers.store.log_parts import make_room
from workers.store.statements import statement
from workers.wiring import Worker, open_worker
from workers.worker_lifetime import beside, listening, stop_on_signals, vital

log = Log()


def sampler(made: Worker, vitals: Vitals) -> Sampler:
    """What samples the gauges of the deployment."""

    async def published(shard: int) -> int:
        checkpoints = made.settings.topic_prefix + CHECKPOINTS_TOPIC
        record = await last_record(made.kafka.admin, checkpoints, shard)
        return published_seq(shard, None if record is None else record.value)

    clock, allowed_lateness = made.enforcement.clock, made.settings.allowed_lateness
    return Sampler(made.store, vitals.metrics, vitals.failed, clock, allowed_lateness, published)


async def run_ingest(settings: Settings) -> None:
    """One ingest worker until SIGTERM."""
    from workers.codec.decoding import Decoder
    from workers.ingest.heartbeat import Present
    from workers.ingest.processing import PARTITIONS, Processing
    from workers.ingest.worker import Ingest
    from workers.kafka.consumer import Consumer  # with FastStream, which nobody else needs

    stop = stop_on_signals()
    with take_slot(f"{settings.kafka_bootstrap}\n{settings.group}", settings.instance) as instance:
        async with (
            vital(settings, "ingest", ("database", "kafka")) as vitals,
            open_worker(settings, f"ingest {instance}", connections=5, waits=True) as made,
            listening(made.pool, channels.HEARTBEAT) as asked,
            beside(settings, partial(reach_kafka, settings.kafka, vitals)),
        ):
            consumer = Consumer(
                kafka=settings.kafka,
                topics=INPUT_TOPICS,
                prefix=settings.topic_prefix,
                group=settings.group,
                instance_id=instance,
                topic_ids=made.deployment.topic_ids,
            )
            processing = Processing(
                store=made.store,
                enforcement=made.enforcement,
                decoder=Decoder(made.policies, settings.max_record_bytes),
                clock=WallClock(),
                owner=owner_name(instance, await _server_clock(made)),
                vitals=vitals,
            )
            present = Present(WallClock(), made.store, settings.clock == "events")
            ingest = Ingest(processing, consumer, present, settings.partitions, settings.batch_size)
            vitals.has(PARTITIONS, really=False)
            vitals.metrics.before_scrape(ingest.measure)
            try:
                await ingest.run(stop, asked.bell())
            except* NameTaken as taken:
                await _stand_by(made, instance, str(taken.exceptions[0]), vitals, stop)
                if not stop.is_set():
                    raise


async def _server_clock(made: Worker) -> int:
    [row] = await made.store.fetch(statement("server_clock"))
    return int(row[0])


async def _stand_by(made: Worker, instance: str, why: str, vitals: Vitals, stop: asyncio.Event) -> None:
    """Wait until nobody else has the name in the consumer group."""
    log.error("two ingest workers have one name", why=why)
    vitals.has("a name of its own", really=False)

    async def is_there() -> bool:
        try:
            return instance in await made.kafka.admin.fixed_names(made.settings.group)
        except (KafkaUnreachable, KafkaException) as error:
            vitals.failed(error)
            return True

    await until_gone(is_there, vitals, stop)


async def run_timers(settings: Settings) -> None:
    """One timers worker until SIGTERM."""
    stop = stop_on_signals()
    async with (
        vital(settings, "timers", ("database",)) as vitals,
        open_worker(settings, "timers", connections=5, waits=True) as made,
        listening(made.pool, channels.WATERMARK) as listener,
        beside(settings, sampler(made, vitals).run),
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(timers.run(made.enforcement, listener, vitals, stop))
        if settings.clock == "wall":
            tasks.create_task(
                timers.ask_for_heartbeats(made.store, WallClock(), settings.allowed_lateness, vitals, stop)
            )


async def run_fanout(settings: Settings) -> None:
    """One fan-out worker until SIGTERM."""
    stop = stop_on_signals()
    async with (
        vital(settings, "fanout", ("database",)) as vitals,
        open_worker(settings, "fanout", waits=True) as made,
        listening(made.pool, channels.FANOUTS) as listener,
    ):
        await fanout.run(made.store, made.enforcement, listener.bell(), vitals, stop)


async def run_relay(settings: Settings) -> None:
    """One relay, for every shard of the log, until SIGTERM."""
    stop = stop_on_signals()
    async with (
        vital(settings, "relay", ("database", "kafka")) as vitals,
        open_worker(settings, "relay", connections=9) as made,
        listening(made.pool, channels.LOG) as listener,
        listening(made.pool, channels.RELAY_ENDED) as ended,
        beside(settings, partial(reach_kafka, settings.kafka, vitals)),
    ):
        check = partial(check_topics, made.kafka.admin, settings.topic_prefix, written_to(made.deployment.topic_ids))
        await check()
        shards = [
            relay.Shard(
                number=number,
                store=made.store,
                producer=relay.shard_producer(settings.kafka, settings.topic_prefix, number),
                incarnation=made.deployment.incarnation,
                prefix=settings.topic_prefix,
                partitions=settings.partitions,
                compare=made.compare,
            )
            for number in range(made.deployment.shards)
        ]
        if made.kafka.guard.moved:
            for shard in shards:
                await shard.open()
            await adopt_server(made.pool)
            log.warning("another PostgreSQL was adopted: all that was published is in its log")
        await relay.run(shards, listener, ended, vitals, stop, check, partial(make_room, made.pool))


RUNS = {"ingest": run_ingest, "timers": run_timers, "fanout": run_fanout, "relay": run_relay}
"""What `standing NAME` runs."""
