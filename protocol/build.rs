//! Compiles what `proto/` says without needing protoc on the machine, and keeps what was read for the tests.

#[expect(clippy::disallowed_methods, reason = "a file of the build, which cargo watches over")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files([
        "mesh.proto",
        "meta.proto",
        "raft.proto",
        "cluster.proto",
    ])?;
    let descriptors = std::path::Path::new(&std::env::var("OUT_DIR")?).join("descriptors.bin");
    std::fs::write(descriptors, compiler.encode_file_descriptor_set())?;
    prost_build::Config::new().bytes(["."]).compile_fds(compiler.file_descriptor_set())?;
    println!("cargo::rerun-if-changed=proto");
    Ok(())
}
