-- How many shards the decision log has.
select count(*) from shards
