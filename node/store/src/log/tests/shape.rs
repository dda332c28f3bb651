//! How many syncs, segments and bytes the log takes.
