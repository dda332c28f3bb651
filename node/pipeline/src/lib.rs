//! node/pipeline
