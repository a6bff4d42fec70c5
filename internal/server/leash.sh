# The leash of one server: see doc.go.
#
#   leash FOLDER "SIGNAL..." COMMAND [ARGUMENT...]
#
# It makes a home under FOLDER and says "home PATH". Then it obeys one line of
# standard input at a time:
#
#   start   kills what is left of an earlier run and runs COMMAND in home/data;
#           says "pid N" at once, and "exit N" whenever the command ends
#   kill    kills every process of the server; says "ok" when they are gone
#   NAME    sends that signal to every process of the server; says "ok"
#
# When standard input ends, it sends the SIGNALs, kills what is left after five
# to six seconds, and removes its home.

unset LEASH # this script; the server has no use for it
umask 077
# Caught, not ignored: the server would inherit an ignored signal. SIGHUP comes
# when our parent ends while the server is stopped, SIGPIPE when it ends between
# a line and our answer; neither may keep us from cleaning up.
trap : HUP INT TERM PIPE

folder=$1
signals=$2
shift 2
# An unprivileged user may not reach the folder that root uses.
home=$(mktemp -d "$folder/leadcache-XXXXXXXX" 2>/dev/null) ||
	home=$(mktemp -d /tmp/leadcache-XXXXXXXX) || exit 1
mkdir "$home/data" || exit 1
job=

# members lists the processes whose working folder is the server's. Neither
# process groups nor parents would do: each child of postgres leads a group of
# its own, and has another parent once the postmaster has been killed.
members() {
	if [ -e /proc/self/cwd ]; then
		for p in /proc/[0-9]*; do
			[ "$p/cwd" -ef "$home/data" ] && echo "${p#/proc/}"
		done
	else
		lsof -t -a -d cwd "$home/data"
	fi 2>/dev/null
}

# signal sends $1 to every member; it fails if there is none.
signal() {
	pids=$(members)
	[ -n "$pids" ] || return 1
	# shellcheck disable=SC2086 # one argument for each process
	kill -s "$1" $pids 2>/dev/null
	return 0
}

# slay returns when no member is left: one that was forked while the others
# were killed is found in the next round.
slay() {
	while signal KILL; do sleep 0.01; done
	[ -z "$job" ] || wait "$job"
	job=
}

run() {
	(cd "$home/data" && exec "$@" >"$home/log" 2>&1) &
	echo "pid $!"
	wait $!
	echo "exit $?"
}

echo "home $home"
while read -r line; do
	case $line in
	start)
		slay
		run "$@" </dev/null &
		job=$!
		;;
	kill)
		slay
		echo ok
		;;
	*)
		# The second round finds what was forked during the first.
		signal "$line" && signal "$line"
		echo ok
		;;
	esac
done

# The last CONT lets a stopped server see the signals before it.
for s in $signals CONT; do signal "$s"; done
# Seconds, as a round takes long where many processes run; and no more rounds than
# fit, as a clock may be set back. There is something to wait for: a backend of
# postgres that gets TERM and QUIT at once may lock itself up in its handler.
n=0
end=$(($(date +%s) + 6))
while [ $n -lt 600 ] && [ "$(date +%s)" -lt $end ] && [ -n "$(members)" ]; do
	n=$((n + 1))
	sleep 0.01
done
slay
# A postmaster that was killed leaves a System V shared memory segment behind;
# the seventh line of its pid file ends with the segment's id.
id=$(sed -n '7s/.*[[:space:]]//p' "$home/data/postmaster.pid" 2>/dev/null)
[ -z "$id" ] || ipcrm -m "$id" 2>/dev/null
rm -rf "$home"
