#![allow(missing_docs, reason = "a bench is no interface")]
fn main() {}
