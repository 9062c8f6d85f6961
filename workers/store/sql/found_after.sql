-- The next rows of a shard that were found in the topics.
select * from found where shard = $1 and seq > $2 order by seq limit $3
