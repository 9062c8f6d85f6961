"""Decides a history again from the topics, to compare it with what was published or to rebuild a database."""
