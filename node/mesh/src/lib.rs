//! node/mesh
