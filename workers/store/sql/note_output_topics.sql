-- Notes Kafka's ids of the topics that are written.
update deployment set output_topic_ids = $1
