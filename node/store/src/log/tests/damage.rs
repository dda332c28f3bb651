//! Bytes that change behind the log's back.
