//! A disk that fails or fills up.
