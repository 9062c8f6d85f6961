-- Sets where a partition is read from, for an operator, under a new epoch; returns the former offset.
with former as (
    select next_offset from positions where topic = $1 and partition = $2
)
update positions set next_offset = $3, epoch = epoch + 1, owner = null from former
where topic = $1 and partition = $2 returning former.next_offset
