//! Programs onto interfaces, through links that are pinned. A link that is pinned already gets the new program in one
//! step; a link whose interface has gone is replaced.

use std::io;
use std::path::Path;

use aya::Ebpf;
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::tc::{NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle, qdisc_add_clsact};
use aya::programs::xdp::XdpLink;
use aya::programs::{LinkOrder, ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode};
use aya::util::KernelVersion;

use super::pins;
use crate::error::Error;
use crate::load;

/// Priority and handle of our filters where there is no tcx.
const CLSACT_PRIORITY: u16 = 1;
const CLSACT_HANDLE: TcHandle = TcHandle::new(0, 1);

/// The program onto a port: native, or generic where the driver cannot.
pub fn xdp(object: &mut Ebpf, pins: &Path, port: &str) -> Result<(), Error> {
    let program: &mut Xdp = load::program(object, "gateway")?;
    let pin = pins::link(pins, "gateway", port);
    if let Ok(pinned) = PinnedLink::from_pin(&pin) {
        let link = XdpLink::try_from(FdLink::from(pinned)).map_err(|error| Error::attach("gateway", port, error))?;
        if let Ok(id) = program.attach_to_link(link) {
            // The pin keeps the link; this process need not.
            drop(program.take_link(id).map_err(|error| Error::attach("gateway", port, error))?);
            return Ok(());
        }
        remove(&pin)?;
    }
    let native = program.attach(port, XdpMode::Driver).and_then(|id| link_of_xdp(program, id));
    let link = native.or_else(|native| {
        let generic = program.attach(port, XdpMode::Skb).and_then(|id| link_of_xdp(program, id));
        generic.map_err(|generic| Error::XdpRefused {
            port: port.into(),
            native: innermost(&native),
            generic: innermost(&generic),
        })
    })?;
    link.pin(&pin).map_err(|error| Error::attach("gateway", port, error))?;
    Ok(())
}

fn link_of_xdp(program: &mut Xdp, id: aya::programs::xdp::XdpLinkId) -> Result<FdLink, ProgramError> {
    let link = program.take_link(id)?;
    FdLink::try_from(link).map_err(|error| ProgramError::IOError(io::Error::other(error)))
}

/// A classifier onto an interface's tc ingress; returns by which way.
pub fn classifier(object: &mut Ebpf, pins: &Path, name: &str, interface: &str) -> Result<&'static str, Error> {
    let program: &mut SchedClassifier = load::program(object, name)?;
    let failed = |error: ProgramError| Error::attach(name, interface, error);
    let has_tcx = KernelVersion::current().is_ok_and(|running| running >= KernelVersion::new(6, 6, 0));
    let pin = pins::link(pins, name, interface);
    if !has_tcx {
        // There is no link that could be pinned. In its place the program says which interfaces have a filter, and before
        // there is one: so `detach` finds those of a start that was killed.
        if pin.exists() {
            remove(&pin)?;
        }
        program.pin(&pin).map_err(|error| Error::attach(name, interface, error))?;
        clsact(program, interface).map_err(failed)?;
        return Ok("clsact");
    }
    if let Ok(pinned) = PinnedLink::from_pin(&pin) {
        let link = SchedClassifierLink::try_from(FdLink::from(pinned))
            .map_err(|error| Error::attach(name, interface, error))?;
        if let Ok(id) = program.attach_to_link(link) {
            drop(program.take_link(id).map_err(failed)?);
            return Ok("tcx");
        }
        remove(&pin)?;
    }
    // First in order: nothing may see what was not judged.
    let order = TcAttachOptions::TcxOrder(LinkOrder::first());
    let id = program.attach_with_options(interface, TcAttachType::Ingress, order).map_err(failed)?;
    let link = program.take_link(id).map_err(failed)?;
    let link = FdLink::try_from(link).map_err(|error| Error::attach(name, interface, error))?;
    link.pin(&pin).map_err(|error| Error::attach(name, interface, error))?;
    Ok("tcx")
}

/// Kernels before 6.6: a filter of the clsact qdisc, which lives as long as the interface.
fn clsact(program: &mut SchedClassifier, interface: &str) -> Result<(), ProgramError> {
    // It may exist already.
    let _ = qdisc_add_clsact(interface);
    let (kind, priority, handle) = (TcAttachType::Ingress, CLSACT_PRIORITY, CLSACT_HANDLE);
    let existing = SchedClassifierLink::attached(interface, kind, priority, handle, None)?;
    let id = program.attach_to_link(existing).or_else(|_| {
        let options = TcAttachOptions::Netlink(NlOptions { priority, handle, classid: None });
        program.attach_with_options(interface, kind, options)
    })?;
    // Dropping the link would take the filter away.
    std::mem::forget(program.take_link(id)?);
    Ok(())
}

fn remove(pin: &Path) -> Result<(), Error> {
    std::fs::remove_file(pin).map_err(|error| Error::file(pin, error))
}

/// The last cause: what the kernel said.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
