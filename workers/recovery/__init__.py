"""Decides a history again from the topics: to compare it with what was published, and to rebuild a database."""
