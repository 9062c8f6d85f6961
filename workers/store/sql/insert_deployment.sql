-- Records what the database is set up for, the first time.
insert into deployment (
    incarnation, system_identifier, timeline, kafka_cluster_id, topic_prefix, consumer_group, input_partitions,
    schema_version, rules_version, tzdata_version, policies, fingerprint
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
