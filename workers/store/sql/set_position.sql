-- Sets from where a partition is read on, for an operator; whoever owned it owns it no longer. Gives where it was.
with former as (
    select next_offset from positions where topic = $1 and partition = $2
)
update positions set next_offset = $3, epoch = epoch + 1, owner = null from former
where topic = $1 and partition = $2 returning former.next_offset
