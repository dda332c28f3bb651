//! Compiles what `proto/` says without needing protoc on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(
        ["proto/mesh.proto", "proto/meta.proto", "proto/raft.proto", "proto/cluster.proto"],
        ["proto"],
    )?;
    prost_build::Config::new().bytes(["."]).compile_fds(files)?;
    println!("cargo::rerun-if-changed=proto");
    Ok(())
}
