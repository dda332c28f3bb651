//! `STORGO_PLANTED=1` builds in the faults that the simulator has to catch; nothing else sets the cfg.

fn main() {
    println!("cargo::rerun-if-env-changed=STORGO_PLANTED");
    if std::env::var_os("STORGO_PLANTED").is_some() {
        println!("cargo::rustc-cfg=storgo_planted");
    }
}
