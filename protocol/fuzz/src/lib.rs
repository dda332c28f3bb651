//! What the fuzz targets run: the functions that the plain tests of `protocol` replay the corpus through.

#[path = "../../tests/formats/targets.rs"]
pub mod targets;
