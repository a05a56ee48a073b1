//! Where packets enter the engine, by the names that the model and the command line use.

use abi::ports::{ROLE_ACCESS, ROLE_UPLINK};
use dataplane::Entry;
use policy::Numbering;
use policy::model::{HAIRPIN, inspector};

/// A port of a policy's numbering, the uplinks being those called `wan…`; or where an inspector sends, or the hairpin
/// comes out.
pub fn entry(numbering: &Numbering, port: &str) -> Entry {
    if let Some(municipality) = inspector(port) {
        return Entry::inspector(numbering.municipalities[municipality]);
    }
    if port == HAIRPIN {
        return Entry::hairpin();
    }
    let role = if port.starts_with("wan") { ROLE_UPLINK } else { ROLE_ACCESS };
    Entry { port: numbering.ports[port], role, municipality: 0 }
}
