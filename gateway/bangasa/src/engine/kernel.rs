//! The real program, loaded for replay and fed through `BPF_PROG_TEST_RUN`.

use std::collections::BTreeMap;

use abi::ports::{ROLE_ACCESS, ROLE_UPLINK};
use anyhow::{Context, anyhow};
use dataplane::{Engine as TestRun, EngineSize, Entry, Error};
use policy::compile::CompiledPolicy;
use policy::model::{INSPECTOR, InspectorState};
use policy::{Judgement, Numbering, Policy};

use super::{Engine, GENERATION, on_the_wire};

/// Buckets of the flow table, 64 MiB: a capture's flows should fit where the model's always do.
const FLOW_BUCKETS: u32 = 1 << 17;

/// The program and the names of what it reports.
pub(super) struct Kernel {
    engine: TestRun,
    compiled: CompiledPolicy,
    entries: BTreeMap<String, Entry>,
}

impl Kernel {
    pub(super) fn open(policy: &Policy, inspectors: InspectorState) -> anyhow::Result<Self> {
        let compiled = policy::compile::compile(policy, &Numbering::default())?;
        let size = EngineSize { flow_buckets: FLOW_BUCKETS, ..EngineSize::fitting(&compiled) };
        let mut engine = TestRun::new(size).map_err(|error| match error {
            Error::NoPrivilege => anyhow!(
                "`--engine kernel` needs root, or the capabilities CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; \
                 `--engine model` judges by the same rules and needs neither"
            ),
            other => other.into(),
        })?;
        engine.install(&compiled, GENERATION.into())?;
        compiled.numbering.municipalities.values().for_each(|number| engine.set_inspector(*number, inspectors));
        let roles = [(&policy.uplinks, ROLE_UPLINK), (&policy.accesses, ROLE_ACCESS)];
        let entries = roles.into_iter().flat_map(|(names, role)| names.iter().map(move |name| (name, role)));
        let inspectors = compiled.numbering.municipalities.iter();
        let inspectors = inspectors.map(|(id, number)| (format!("{INSPECTOR}{id}"), Entry::inspector(*number)));
        let entries = entries
            .filter_map(|(name, role)| {
                let port = *compiled.numbering.ports.get(name)?;
                Some((name.clone(), Entry { port, role, municipality: 0 }))
            })
            .chain(inspectors)
            .collect();
        Ok(Self { engine, compiled, entries })
    }
}

impl Engine for Kernel {
    fn judge(&mut self, port: &str, time_ns: u64, frame: &[u8]) -> anyhow::Result<Judgement> {
        let (port, frame) = on_the_wire(port, frame)?;
        let entry = *self.entries.get(port).with_context(|| format!("the policy has no port `{port}`"))?;
        let event = self.engine.judge(entry, time_ns, &frame)?;
        Ok(self.compiled.describe(&event))
    }
}
