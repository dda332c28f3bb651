//! The records against a model.
