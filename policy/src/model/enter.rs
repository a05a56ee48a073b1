//! Port names on the command line: `lan0`, `lan0.101` and `lan0.200.101` name a port and the VLAN tags that a captured
//! frame would carry there; `inspector:sendai` is where a municipality's inspector sends, and
//! `hairpin` where what one municipality sends to another's public address comes out.

/// Before a municipality's id, the name of where its inspector sends. No interface is called so.
pub const INSPECTOR: &str = "inspector:";

/// The name of where the hairpin comes out, unless a port is called so.
pub const HAIRPIN: &str = "hairpin";

/// The id of the municipality whose inspector sends there, if any does.
pub fn inspector(port: &str) -> Option<&str> {
    port.strip_prefix(INSPECTOR)
}

/// The port's own name, and the frame with the tags pushed that the name stands for: the outer of two is an 802.1ad
/// tag, a single one 802.1Q. Tags that the frame has already stay inside them.
///
/// # Errors
/// What follows the port is not one or two VLAN ids from 1 to 4094.
pub fn enter<'a>(port: &'a str, frame: &[u8]) -> Result<(&'a str, Vec<u8>), BadPortName> {
    let bad = || BadPortName(port.to_owned());
    let mut parts = port.split('.');
    let base = parts.next().filter(|base| !base.is_empty()).ok_or_else(bad)?;
    let vlans = parts.map(vlan).collect::<Option<Vec<u16>>>().ok_or_else(bad)?;
    let tags = match vlans[..] {
        [] => vec![],
        [vlan] => vec![(CUSTOMER_TAG, vlan)],
        [outer, inner] => vec![(SERVICE_TAG, outer), (CUSTOMER_TAG, inner)],
        _ => return Err(bad()),
    };
    // Too short for addresses, it is too short for a tag behind them; the model will call it truncated either way.
    let (addresses, rest) = frame.split_at(frame.len().min(ADDRESS_BYTES));
    let mut tagged = addresses.to_vec();
    for (kind, vlan) in tags {
        tagged.extend_from_slice(&kind.to_be_bytes());
        tagged.extend_from_slice(&vlan.to_be_bytes());
    }
    tagged.extend_from_slice(rest);
    Ok((base, tagged))
}

/// A port name that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a port; write a port and its VLANs, like `lan0`, `lan0.101` or `lan0.200.101`")]
pub struct BadPortName(pub String);

fn vlan(text: &str) -> Option<u16> {
    text.parse().ok().filter(|vlan| (1..=4094).contains(vlan))
}

const ADDRESS_BYTES: usize = 12;
const CUSTOMER_TAG: u16 = 0x8100;
const SERVICE_TAG: u16 = 0x88a8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_the_tags_that_the_name_stands_for() {
        let frame: Vec<u8> = (0..20).collect();
        assert_eq!(enter("wan0", &frame), Ok(("wan0", frame.clone())));
        let (port, tagged) = enter("lan0.200.101", &frame).expect("a port name");
        assert_eq!(port, "lan0");
        assert_eq!(tagged[..12], frame[..12]);
        assert_eq!(tagged[12..20], [0x88, 0xa8, 0, 200, 0x81, 0, 0, 101]);
        assert_eq!(tagged[20..], frame[12..]);
    }

    #[test]
    fn refuses_what_is_no_vlan() {
        assert_eq!(inspector("inspector:sendai"), Some("sendai"));
        assert_eq!(inspector("lan0"), None);
        for name in ["", ".5", "lan0.", "lan0.0", "lan0.4095", "lan0.x", "lan0.1.2.3"] {
            assert_eq!(enter(name, &[]), Err(BadPortName(name.into())), "{name}");
        }
    }
}
