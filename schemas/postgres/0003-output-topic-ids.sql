-- The topics that are written are known by Kafka's ids too: one that was deleted and made again lacks what was published.

alter table deployment add column output_topic_ids text;  -- JSON: of each output topic and of the relay's marks
