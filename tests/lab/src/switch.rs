//! The VLAN switch between the gateway's trunks and the sites: two small tc programs, because kernels exist that lack
//! 802.1Q devices.

use std::collections::BTreeMap;

use abi::ports::Trunk;
use anyhow::{Context, Result};
use aya::maps::HashMap;
use aya::programs::tc::{self, NlOptions, TcAttachOptions};
use aya::programs::{SchedClassifier, TcAttachType};
use aya::{Ebpf, Pod};

use crate::link::{self, End, Offloads};
use crate::namespace::Namespace;

/// The switch: what enters from a site gets its tags and leaves on the trunk, and the other way round.
#[derive(Debug)]
pub struct Switch {
    namespace: Namespace,
    /// By access port: programs and maps of its trunk. Tags mean something only within one trunk.
    trunks: BTreeMap<String, Ebpf>,
    links: u32,
}

/// [`Trunk`] as aya wants map values.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Tags(Trunk);

#[expect(unsafe_code, reason = "aya's way to say that a map value is plain bytes")]
// SAFETY: `Trunk` is `repr(C)`, integers only, without padding, as `abi` asserts.
unsafe impl Pod for Tags {}

impl Switch {
    /// An empty switch.
    pub fn new(namespace: Namespace) -> Self {
        Self { namespace, trunks: BTreeMap::new(), links: 0 }
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The switch's end of a trunk, where every frame of every site passes with its tags.
    pub fn trunk<'a>(&'a self, device: &'a str) -> End<'a> {
        End { namespace: &self.namespace, device }
    }

    /// Connects an access port of the gateway; the switch's end has the same name.
    pub fn connect_trunk(&mut self, port: End<'_>, mtu: u32) -> Result<()> {
        let namespace = self.namespace.clone();
        let here = End { namespace: &namespace, device: port.device };
        link::connect(port, here, mtu)?;
        link::set_offloads(port, Offloads::WireAndRedirects)?;
        link::set_offloads(here, Offloads::WireAndRedirects)?;
        let mut programs = Ebpf::load(dataplane::object::SWITCH_OBJECT).context("the lab's switch does not load")?;
        for name in ["tag", "untag"] {
            classifier(&mut programs, name)?.load().with_context(|| format!("the kernel refuses program `{name}`"))?;
        }
        attach(&mut programs, "untag", here)?;
        self.trunks.insert(port.device.to_owned(), programs);
        Ok(())
    }

    /// Connects a site to VLANs of the trunk that leads to the access port `port`.
    pub fn connect_site(&mut self, site: End<'_>, port: &str, vlans: &[u16], mtu: u32) -> Result<()> {
        let namespace = self.namespace.clone();
        let device = format!("site{}", self.links);
        self.links += 1;
        // The kernel grants a frame one tag beyond the trunk's MTU; what a second one takes, the site goes without.
        let mtu = if vlans.len() > 1 { mtu - 4 } else { mtu };
        let here = End { namespace: &namespace, device: &device };
        link::connect(site, here, mtu)?;
        link::set_offloads(site, Offloads::Wire)?;
        link::set_offloads(here, Offloads::Wire)?;
        let trunk = link::index(End { namespace: &namespace, device: port })?;
        let link = link::index(here)?;
        let tag = |depth: usize| vlans.get(depth).copied().unwrap_or_default();
        let tags =
            Trunk { ifindex: trunk, vlans: [tag(0), tag(1)], vlan_count: vlans.len().try_into()?, ..Trunk::default() };
        let programs = self.trunks.get_mut(port).with_context(|| format!("no trunk leads to `{port}`"))?;
        let mut by_link: HashMap<_, u32, Tags> = programs.map_mut("SWITCH_TAGS").context("no map")?.try_into()?;
        by_link.insert(link, Tags(tags), 0)?;
        let mut by_tags: HashMap<_, [u16; 2], u32> = programs.map_mut("SWITCH_LINKS").context("no map")?.try_into()?;
        by_tags.insert(tags.vlans, link, 0)?;
        attach(programs, "tag", here)
    }
}

/// Attaches through netlink, so that the program lives as long as the device and not as this process.
fn attach(programs: &mut Ebpf, name: &str, end: End<'_>) -> Result<()> {
    let program = classifier(programs, name)?;
    end.namespace.enter(|| {
        tc::qdisc_add_clsact(end.device).with_context(|| format!("cannot prepare `{}`", end.device))?;
        let options = TcAttachOptions::Netlink(NlOptions::default());
        let link = program.attach_with_options(end.device, TcAttachType::Ingress, options)?;
        // Dropping the link would detach it, from whatever has this index in the namespace of the dropping thread.
        std::mem::forget(program.take_link(link)?);
        Ok(())
    })
}

fn classifier<'a>(programs: &'a mut Ebpf, name: &str) -> Result<&'a mut SchedClassifier> {
    let program = programs.program_mut(name).with_context(|| format!("the switch has no program `{name}`"))?;
    Ok(program.try_into()?)
}
