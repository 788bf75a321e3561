#!/usr/bin/env bats
# Every program: what --help says of its options is in its manual.

setup() { load common; common_setup; }
teardown() { common_teardown; }

# section PAGE OPTION: what the page says of it, or nothing.
section() {
	awk -v n=".It Fl -$2" '
		$0 == n || index($0, n " ") == 1 { in_ = 1 }
		/^\.(It|El)/ && in_ == 2 { exit }
		in_ { print; if (!/^\.It/) in_ = 2 }' "$1"
}

# options PROGRAM: "NAME DEFAULT" of each option.
options() {
	"$BIN/$1" --help | sed -n \
		's/^  --\([a-z0-9-]*\).*(default \([^ ]*\))$/\1 \2/p; t
		 s/^  --\([a-z0-9-]*\).*/\1/p'
}

@test "every option is in the manual, with its default" {
	for page in "$ROOT"/*/*.1; do
		program=$(basename "$page" .1)
		options "$program" >options
		[ "$(wc -l <options)" -ge 5 ]
		while read -r name default; do
			case $name in help | version) continue ;; esac
			text=$(section "$page" "$name")
			[ -n "$text" ] || { echo "$program: $name"; false; }
			# "256MiB" may be "256 MiB" there, and "5s" just 5.
			[[ $default =~ ^([1-9][0-9]*)([KMG]iB|) ]] || continue
			grep -qE "\b${BASH_REMATCH[1]} ?${BASH_REMATCH[2]}\b" \
				<<<"$text" ||
				{ echo "$program: $name $default"; false; }
		done <options
	done
}

@test "every program has a version, a manual and refuses a wrong option" {
	for program in "$BIN"/*; do
		name=$(basename "$program")
		[ -n "$(ls "$ROOT"/*/"$name.1")" ]
		"$program" --version | grep -qE "^$name \(sluice\) [0-9]"
		st=0
		"$program" --no-such-option </dev/null 2>err || st=$?
		[ "$st" -eq 64 ]
		grep -q "^$name: --no-such-option: no such option" err
		grep -q "^usage: $name" err
	done
}
