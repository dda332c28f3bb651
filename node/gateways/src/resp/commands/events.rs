//! What commands are called where they change something: mostly as they are, and some as Redis calls what they do.

/// What a command is called that changed a key.
pub(super) fn of(command: &'static str) -> &'static str {
    match command {
        "bitop" | "getset" | "mset" | "msetnx" | "psetex" | "setex" | "setnx" => "set",
        "bitfield" => "setbit",
        "copy" => "copy_to",
        "decr" | "decrby" | "incr" => "incrby",
        "hmset" | "hsetnx" => "hset",
        "lpushx" => "lpush",
        "rpushx" => "rpush",
        "rename" | "renamenx" => "rename_to",
        "zincrby" => "zincr",
        other => other,
    }
}
