-- Records Kafka's ids of the input topics.
update deployment set input_topic_ids = $1
