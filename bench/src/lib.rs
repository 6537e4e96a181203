//! Proof: how much work halb does for how much machine, and how long clients wait when something
//! fails, beside the programs that it replaces.
//!
//! # What this crate does not do
//! It sees a subject only as processes and packets, and knows no crate of the workspace but the lab
//! that it tries subjects in. So the same load and the same drill run on halb and on what it
//! replaces, and a fault in halb can't hide in the apparatus.
