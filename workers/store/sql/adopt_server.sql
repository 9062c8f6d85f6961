-- Records that the deployment is on this server from now on.
update deployment set system_identifier = $1, timeline = $2
