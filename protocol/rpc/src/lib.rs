//! protocol/rpc
