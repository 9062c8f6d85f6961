-- Makes this the database of another incarnation, on this server.
update deployment set incarnation = $1, system_identifier = $2, timeline = $3
