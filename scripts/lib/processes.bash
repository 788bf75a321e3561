# Processes of scripts/run: started with their readiness awaited, ended within
# a deadline, told apart by name.
#
# shellcheck shell=bash
#
# The caller sets RUN. Every process leads a process group of its own, so that
# Ctrl-C reaches this shell alone, and is told to end should this shell die.

declare -A PID=()    # name to process id, until it is collected
declare -A BEGUN=()  # name to starts again within the present minute
declare -A MINUTE=() # name to when that minute began
STARTS_MAX=5	     # of BEGUN; then it is given up
STOP=		     # set by a signal: the exit status wanted

say() { echo "run: $*" >&2; }
note() { echo "run: $*" >>"$RUN/log"; } # shown with what the programs say
die() { say "$*, see $RUN/log"; exit 1; }

# Two ends of a pipe, in PIPE_R and PIPE_W. Opened by way of a FIFO, since a
# shell has no pipe(2); through it both ways first, so that neither blocks.
pipe_make() {
	local both
	rm -f "$RUN/fifo"
	mkfifo -m 600 "$RUN/fifo"
	exec {both}<>"$RUN/fifo"
	exec {PIPE_R}<"$RUN/fifo"
	exec {PIPE_W}>"$RUN/fifo"
	exec {both}>&-
	rm -f "$RUN/fifo"
}

# A pipe nobody writes to: reading it waits. Both ends stay open.
pipe_make
NEVER=$PIPE_R

pause() { read -r -t "$1" -u "$NEVER" || true; }

# until_true SECONDS COMMAND...: polls a condition with a deadline, or until
# a signal came.
until_true() {
	local end=$((SECONDS + $1 + 1)) # SECONDS counts whole seconds
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] && [ -z "$STOP" ] || return 1
		pause 0.02
	done
}

gone() { ! kill -0 "$1" 2>/dev/null; }

# spawn NAME IN OUT COMMAND...: runs it in the background on these two
# descriptors; its stderr goes to the log. Its descriptor 9 is READY, if set.
spawn() {
	local name=$1 in=$2 out=$3
	shift 3
	set -m
	(
		exec <&"$in" >&"$out" 2>>"$RUN/log"
		[ -z "${READY:-}" ] || exec 9>&"$READY"
		for fd in /proc/self/fd/*; do
			fd=${fd##*/}
			if [ "$fd" -gt 9 ]; then exec {fd}>&-; fi
		done
		exec setpriv --pdeathsig TERM -- "$@"
	) &
	PID[$name]=$!
	set +m
}

# start NAME IN OUT COMMAND...: the same for a program that knows --ready-fd
# and --metrics. It is ready, or has ended, when this returns.
start() {
	local name=$1 ready status=0
	pipe_make
	ready=$PIPE_R
	READY=$PIPE_W spawn "$@" --ready-fd 9 --metrics "$RUN/metrics/$name.prom"
	exec {PIPE_W}>&-
	read -r -t 15 -u "$ready" || status=1
	exec {ready}<&-
	return "$status"
}

# finish NAME SECONDS: ends it, with SIGKILL when the time is up. Its exit
# status goes to STATUS, "" when it was not running.
finish() {
	local pid=${PID[$1]:-}
	STATUS=
	[ -n "$pid" ] || return 0
	kill -TERM "$pid" 2>/dev/null || true
	if ! until_true "$2" gone "$pid"; then
		note "$1 does not end, killed"
		kill -KILL -- "-$pid" 2>/dev/null || true
		until_true 5 gone "$pid" || true
	fi
	status_of "$1"
}

# status_of NAME: collects one that has gone: STATUS is its exit status.
# shellcheck disable=SC2034 # STATUS is for the caller
status_of() {
	STATUS=0
	wait "${PID[$1]}" 2>/dev/null || STATUS=$?
	unset "PID[$1]"
}

# may_start NAME: counts a start; fails when there were too many of late.
may_start() {
	if [ $((SECONDS - ${MINUTE[$1]:--60})) -ge 60 ]; then
		MINUTE[$1]=$SECONDS
		BEGUN[$1]=0
	fi
	BEGUN[$1]=$((BEGUN[$1] + 1))
	[ "${BEGUN[$1]}" -le $STARTS_MAX ]
}
