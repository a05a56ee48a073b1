//! Random policies and packets for the property "kernel = model". Everything follows from one seed.

pub mod packets;
pub mod policies;
