-- Records Kafka's id of an input topic that was created again.
update deployment
set input_topic_ids = (coalesce(input_topic_ids, '{}')::jsonb || jsonb_build_object($1::text, $2::text))::text
