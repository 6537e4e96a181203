//! What halb is tried on.
