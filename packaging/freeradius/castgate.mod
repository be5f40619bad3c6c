# Rights to channels out of one file, by account and group.
files castgate_channels {
	usersfile = ${modconfdir}/castgate/channels
	key = "%{User-Name}/%{Tmp-String-0}"
}
files castgate_channels_of_sources {
	usersfile = ${modconfdir}/castgate/channels
	key = "%{User-Name}/%{Tmp-String-0}@%{Tmp-String-1}"
}
