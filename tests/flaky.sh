#!/usr/bin/env bash
# Runs a command that runs tests so many times, with as many busy processes beside it as there are cores, and lists which
# tests failed and how often. Every run's output stays in FOLDER. Fails if a run did.
#
#   tests/flaky.sh TIMES FOLDER COMMAND...
set -uo pipefail
times=$1 folder=$2
shift 2

# Longest time in seconds that a busy process lives; it also ends with this script.
readonly BOUND=86400
busy() {
    while kill -0 $$ 2>/dev/null && ((SECONDS < BOUND)); do
        for ((i = 0; i < 100000; i++)); do :; done
    done
}

# Names in the last list of failures of each test binary.
failed() {
    awk '
        /^failures:$/ { count = 0; listing = 1; next }
        listing && /^    [^ ]/ { names[count++] = $1 }
        /^test result: / { for (i = 0; i < count; i++) print names[i]; count = listing = 0 }
    ' "$1"
}

mkdir -p "$folder" && rm -f "$folder"/*.log
cores=$(nproc)
for ((core = 0; core < cores; core++)); do busy & done
trap 'kill $(jobs -p) 2>/dev/null' EXIT

bad=0
for ((run = 1; run <= times; run++)); do
    log=$folder/$run.log
    start=$SECONDS
    "$@" >"$log" 2>&1 </dev/null
    status=$?
    names=$(failed "$log")
    if ((status != 0)); then
        bad=$((bad + 1))
        printf '%s\n' "${names:-(no test: the run ended with status $status)}" >>"$folder/failed.log"
    fi
    printf 'run %d of %d: %d s, status %d%s\n' "$run" "$times" $((SECONDS - start)) "$status" "${names:+: ${names//$'\n'/, }}"
done

printf '\n%d of %d runs failed with %d cores busy; the output is in %s\n' "$bad" "$times" "$cores" "$folder"
((bad == 0)) || { sort "$folder/failed.log" | uniq -c | sort -rn; exit 1; }
