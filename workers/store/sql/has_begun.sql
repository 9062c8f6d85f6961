-- Whether anything was read or published.
select exists (select from positions where next_offset > 0) or exists (select from shards where next_seq > 1)
