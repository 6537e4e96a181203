//! The inventories that `halb k8s init-inventory` prints: the clusters of two well-known guides.

/// Two balancers with a virtual IP, three masters, two workers.
pub const HIGHLY_AVAILABLE: &str = include_str!("../../../examples/cluster.yaml");

/// One balancer without a virtual IP, three masters, two workers.
pub const ONE_BALANCER: &str = include_str!("../../../examples/cluster-one-balancer.yaml");
