//! The object service.

pub mod ports;
