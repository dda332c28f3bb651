# The same words as CI: what `check` and `test` pass, .ci/run passes.

# Lists the words.
default:
    @just --list

# Everything that CI refuses for its form; writes nothing.
check:
    .ci/run format deny lint

# Formats, and applies what clippy can apply.
fix:
    cargo fmt --all
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged

# All tests: units, formats with their corpus, the whole system.
test *ARGS:
    cargo test --workspace {{ ARGS }}

# 200 kills -9 under load; everything acknowledged is read back.
kills:
    STORGO_KILLS=200 cargo test -p storgo --test suite kills:: -- --nocapture

# Rounds of kill -9 of one, two and all members of metadata groups under load, with torn and damaged logs; every answer is
# explained. 200 of them are what the groups promise to bear, and take half an hour.
war ROUNDS:
    STORGO_BLOWS={{ ROUNDS }} cargo test -p storgo --test suite groups::war -- --nocapture

# The same at the Redis doors, with INCR and EXEC.
answers ROUNDS:
    STORGO_BLOWS={{ ROUNDS }} cargo test -p storgo --test suite answers:: -- --nocapture

# How long it takes until a group can be written again after its leader was killed: 20 times, with a table and its bounds.
failover GROUPS="4":
    STORGO_FAILOVERS=20 STORGO_FAILOVER_GROUPS={{ GROUPS }} cargo test -p storgo --test suite groups::available::writes -- --nocapture

# 100,000 changes of a large shard, and every value of every byte of each small file of a node.
decay:
    STORGO_FLIPS=100000 STORGO_FLIP_VALUES=255 cargo test -p storgo-store decay:: -- --nocapture

# Metadata groups in the simulator: seeds 0 to N, each with faults and a check of every answer; the first 100 twice.
sim N:
    STORGO_SEEDS=0..{{ N }} cargo test -p storgo-consensus --test sim seeds -- --nocapture
    STORGO_TWICE=0..100 cargo test -p storgo-consensus --test sim same_seed -- --nocapture

# Faults planted in metadata groups, each of which the simulator has to catch; it prints the seed.
sim-planted:
    STORGO_PLANTED=1 cargo test -p storgo-consensus --test sim planted -- --nocapture

# The whole system on this machine: `just demo FILE --peers 8`.
demo *ARGS:
    cargo run --release -- demo {{ ARGS }}

# What the pipeline takes, per CPU second.
bench *ARGS:
    cargo run --release -- bench codec {{ ARGS }}

# What a directory of 10,000 small files costs over six peers: time, and bytes on disk.
bench-trees:
    cargo build --release
    tests/bench/trees.sh

# Fails if the pipeline takes a quarter more CPU time than the kept baseline says.
gate *ARGS:
    tests/bench/gate.sh {{ ARGS }}

# What six peers take: big files, small files, idling. Some minutes; see the head of the script.
bench-network *ARGS:
    tests/bench/network.sh {{ ARGS }}

# What three metadata members do in a second and when idle, beside etcd where it is installed. Some minutes.
bench-kv *ARGS:
    tests/bench/kv.sh {{ ARGS }}

# The Redis door beside redis-server and etcd, where they are installed: how fast, and what it costs. Ten minutes.
bench-redis *ARGS:
    tests/bench/redis.sh {{ ARGS }}

# 8 GiB through six peers, with bounds on memory and on what a range costs. Some minutes, and 30 GB of disk.
big *ARGS:
    tests/bench/big.sh {{ ARGS }}

# Redis's own suite at a door, from a directory with the sources of Redis 7.0: `just redis-suite DIR type/string multi`. All
# units take some minutes.
redis-suite DIR *UNITS:
    cargo build --release
    tests/foreign/redis/suite.py --redis {{ DIR }} --storgo target/release/storgo {{ UNITS }}

# Fuzzes one decoder until stopped; needs nightly and cargo-fuzz. Targets: ls protocol/fuzz/fuzz_targets
fuzz TARGET *ARGS:
    cargo +nightly fuzz run --fuzz-dir protocol/fuzz {{ TARGET }} {{ ARGS }}

# Fuzzes every decoder for ten CPU minutes each, going on from what protocol/fuzz/tally.tsv says. Eight hours on one core.
fuzz-all *ARGS:
    protocol/fuzz/all.py {{ ARGS }}
