#!/usr/bin/env bash
# A day's work of redis-cli and redis-benchmark at the doors of several members.
#
#   day.sh HOST PORT PORT...
#
# It ends with the first answer that is not what Redis says, and prints counts in one line of JSON if there is none. What it
# writes begins with the name of the day, or is what redis-benchmark calls its keys; it leaves one key, so that others can
# read what it wrote.
set -euo pipefail

host="$1"
ports=("${@:2}")
first="${ports[0]}"
last="${ports[-1]}"
name=cli2
piped=500
# A multiple of what is pipelined: redis-benchmark rounds up.
benched=1600
clients=10
# What redis-benchmark calls its keys where they are not to be drawn.
bench_keys=(counter:__rand_int__ key:__rand_int__)
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

# redis-cli at a port; -e lets errors be failures.
cli() { redis-cli -e -h "$host" -p "$@"; }

fail() {
    echo "day.sh: $*" >&2
    exit 1
}

# Ends the day unless an answer is as expected.
same() { [ "$2" = "$3" ] || fail "$1: '${2:0:300}', and not '${3:0:300}'"; }

# Each key that matches at a port, on a line of its own: all are on one page.
scanned() {
    local page
    page="$(cli "$1" SCAN 0 MATCH "$2" COUNT 1000)"
    same "the next cursor" "${page%%$'\n'*}" 0
    sed 1d <<<"$page" | grep . | sort || true
}

# Deletes what matches, and says how many there were.
forget() { scanned "$last" "$name:*" | xargs -r redis-cli -e -h "$host" -p "$first" UNLINK; }

greet() {
    forget >/dev/null
    cli "$first" UNLINK "${bench_keys[@]}" >/dev/null
    for port in "${ports[@]}"; do
        same PING "$(cli "$port" PING)" PONG
        same "PING over RESP3" "$(cli "$port" -3 PING)" PONG
    done
}

# What a person types, and what comes from a file.
type_in() {
    local said
    same SET "$(cli "$first" SET "$name:greeting" 'grüße 🦀')" OK
    same GET "$(cli "$last" GET "$name:greeting")" 'grüße 🦀'
    same "GET of nothing" "$(cli "$last" --no-raw GET "$name:nothing")" "(nil)"
    same "GET as a terminal shows it" "$(cli "$last" --no-raw GET "$name:greeting")" \
        '"gr\xc3\xbc\xc3\x9fe \xf0\x9f\xa6\x80"'
    same "INCR over RESP3" "$(cli "$first" -3 --no-raw INCR "$name:n")" "(integer) 1"
    said="$(printf 'MULTI\nSET %s:{t}:a 1\nINCR %s:{t}:a\nEXEC\n' "$name" "$name" | cli "$first")"
    same "a transaction" "$said" $'OK\nQUEUED\nQUEUED\nOK\n2'
    if said="$(cli "$first" INCR "$name:greeting" 2>&1)"; then fail "INCR of text: $said"; fi
    same "the error of INCR" "$said" "ERR value is not an integer or out of range"
    # Every byte, but for the last newline that redis-cli adds.
    head -c 100000 /dev/urandom >"$scratch/large"
    same "SET from a file" "$(cli "$first" -x SET "$name:large" <"$scratch/large")" OK
    cli "$last" GET "$name:large" | head -c 100000 >"$scratch/again"
    cmp "$scratch/large" "$scratch/again" || fail "GET of a large value gives other bytes"
}

# What mass insertion sends without waiting for answers.
pipe_in() {
    local said
    for n in $(seq "$piped"); do
        printf '*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n' "$((${#name} + ${#n} + 7))" "$name:piped:$n" "${#n}" "$n"
    done >"$scratch/commands"
    said="$(cli "$first" --pipe <"$scratch/commands" | tail -1)"
    same "mass insertion" "$said" "errors: 0, replies: $piped"
    seq "$piped" | sed "s/^/$name:piped:/" | sort >"$scratch/wanted"
    for port in "${ports[@]}"; do
        scanned "$port" "$name:piped:*" >"$scratch/found"
        cmp "$scratch/wanted" "$scratch/found" || fail "a scan at $port gives other keys"
    done
    # In pages, which are small if nothing else is said: the second has one more key, which is not meant.
    grep -E ':10.$' "$scratch/wanted" >"$scratch/some"
    cli "$last" --scan --pattern "$name:piped:10?" | sort >"$scratch/found"
    cmp "$scratch/some" "$scratch/found" || fail "a scan in pages gives other keys"
    same "GET of what was piped" "$(cli "$last" GET "$name:piped:$piped")" "$piped"
}

# Sets, gets and counts of many clients at once, one by one and pipelined.
bench() {
    local said
    for pipeline in 1 16; do
        said="$(redis-benchmark -h "$host" -p "$first" -t set,get,incr,mset -n "$benched" -c "$clients" -P "$pipeline" --csv)"
        same "what was measured" "$(cut -d, -f1 <<<"$said" | tr -d '"\n')" "testSETGETINCRMSET (10 keys)"
    done
    same "GET of the counter" "$(cli "$last" GET "${bench_keys[0]}")" "$((2 * benched))"
    same "STRLEN of what was set" "$(cli "$last" STRLEN "${bench_keys[1]}")" 3
    said="$(redis-benchmark -h "$host" -p "$last" -n "$benched" -c "$clients" -r 100 -q INCR "$name:bench:__rand_int__")"
    [[ "$said" == *"requests per second"* ]] || fail "redis-benchmark: $said"
    # Which keys it drew is not known, but each request counted in one of them.
    scanned "$first" "$name:bench:*" >"$scratch/drawn"
    said="$(xargs redis-cli -h "$host" -p "$first" MGET <"$scratch/drawn" | awk '{ sum += $1 } END { print sum }')"
    same "the sum of counters" "$said" "$benched"
    xargs redis-cli -h "$host" -p "$first" UNLINK <"$scratch/drawn" >/dev/null
}

greet
type_in
pipe_in
bench
cli "$last" UNLINK "${bench_keys[@]}" >/dev/null
deleted="$(forget)"
same "the keys that are left" "$(scanned "$last" "$name:*")" ""
for _ in $(seq 100); do
    printf "$(printf '\\x%02x' {0..255})"
done | cli "$first" -x SET "$name:left" >/dev/null
printf '{"client": "%s", "days": [{"protocol": 2, "counted": %d, "scanned": %d, "deleted": %d}]}\n' \
    "$(redis-cli --version)" "$((2 * benched))" "$piped" "$deleted"
