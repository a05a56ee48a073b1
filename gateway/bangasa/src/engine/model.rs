//! The reference model.

use policy::model::InspectorState;
use policy::{Judgement, Policy};

use super::{Engine, GENERATION, on_the_wire};

/// The model, as an engine.
pub(super) struct Model(policy::model::Model);

impl Model {
    pub(super) fn new(policy: &Policy, inspectors: InspectorState) -> Self {
        let mut model = policy::model::Model::new(policy, GENERATION);
        policy.municipalities.iter().for_each(|municipality| model.set_inspector(&municipality.id, inspectors));
        Self(model)
    }
}

impl Engine for Model {
    fn judge(&mut self, port: &str, time_ns: u64, frame: &[u8]) -> anyhow::Result<Judgement> {
        let (port, frame) = on_the_wire(port, frame)?;
        Ok(self.0.judge(port, time_ns, &frame))
    }
}
