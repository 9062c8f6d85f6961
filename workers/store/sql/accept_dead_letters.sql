-- Lets a paused partition continue: records before the offset $3 no longer count. No row: it is not paused.
update dead_letter_windows set counted = 0, dead = '[]', accepted_until = $3, paused = null
where topic = $1 and partition = $2 and paused is not null
returning accepted_until
