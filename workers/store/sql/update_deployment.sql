-- Updates what the database is set up for.
update deployment
set kafka_cluster_id = $1, topic_prefix = $2, consumer_group = $3, input_partitions = $4, schema_version = $5,
    rules_version = $6, tzdata_version = $7, policies = $8, fingerprint = $9
