-- Records Kafka's ids of the output topics.
update deployment set output_topic_ids = $1
