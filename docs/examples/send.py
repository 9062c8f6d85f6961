"""Sends facts to the input topics, one JSON object a line on standard input; `topic` says where each goes.

Run: send.py < facts.jsonl, with STANDING_KAFKA_BOOTSTRAP and STANDING_TOPIC_PREFIX as the engine has them.
"""

import json
import os
import sys

from confluent_kafka import Producer

producer = Producer({"bootstrap.servers": os.environ.get("STANDING_KAFKA_BOOTSTRAP", "127.0.0.1:9092")})
for line in sys.stdin:
    fact = json.loads(line)
    topic = os.environ.get("STANDING_TOPIC_PREFIX", "") + fact.pop("topic")
    producer.produce(topic, json.dumps(fact), key=fact["account_id"])
if producer.flush(30):
    raise SystemExit("not every fact was sent: is Kafka there?")
