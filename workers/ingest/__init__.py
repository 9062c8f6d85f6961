"""The ingest worker: reads the input topics and processes their records, one unit of work at a time."""
