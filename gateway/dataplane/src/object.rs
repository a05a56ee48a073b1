//! The compiled eBPF objects, as `build.rs` made them from `ebpf-filters/filters`.

/// The gateway: programs `gateway`, `guard` and `from_namespace`, and all maps.
pub static GATEWAY_OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/gateway.o"));

/// The lab's VLAN switch: programs `tag` and `untag`. No gateway needs it.
pub static SWITCH_OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/switch.o"));
