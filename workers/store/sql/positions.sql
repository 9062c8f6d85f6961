-- Every position, for `status`, and for a case that is blocked on the registry.
select topic, partition, next_offset, epoch, watermark, latest_occurred_at from positions
order by topic, partition
