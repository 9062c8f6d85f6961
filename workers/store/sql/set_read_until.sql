-- Records that every record before an offset was read; the partition has no owner.
update positions
set next_offset = $3, latest_occurred_at = $4, epoch = epoch + 1, owner = null, watermark = null
where topic = $1 and partition = $2
