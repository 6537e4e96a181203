//! Shared parts of the pool's tests.
