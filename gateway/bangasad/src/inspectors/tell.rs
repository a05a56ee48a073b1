//! Tells the inspectors of a municipality what is new to them, those included that retire: what they carry is subject to it.

use std::sync::Arc;

use inspect::wire::BypassName;

use super::inspector::Inspector;
use super::{Inspectors, setting};
use crate::daemon::Current;
use crate::log;

/// Whether somebody has been sent none yet.
pub fn is_setting_due(inspectors: &Inspectors, id: &str) -> bool {
    let by_id = inspectors.lock();
    by_id.get(id).is_some_and(|post| post.all().any(|it| it.can_be_told() && it.sent.is_none()))
}

/// Sends the setting to whoever was sent another one.
pub fn setting(inspectors: &Inspectors, current: &Current, id: &str) {
    let materials = setting::Materials::read(&inspectors.config, id);
    let digest = materials.digest(current.generation);
    let is_untold = |inspector: &&mut Inspector| inspector.can_be_told() && inspector.sent != Some(digest);
    {
        let mut by_id = inspectors.lock();
        let Some(post) = by_id.get_mut(id) else { return };
        if post.warning != materials.warning {
            materials.warning.iter().for_each(|warning| log(&format!("{id}: {warning}")));
            post.warning.clone_from(&materials.warning);
        }
        if !post.all_mut().any(|inspector| is_untold(&inspector)) {
            return;
        }
    }
    // Not under the lock: it may be large.
    let made = materials.order(current, id);
    let mut by_id = inspectors.lock();
    let Some(post) = by_id.get_mut(id) else { return };
    match made.map(Arc::new) {
        Err(error) => post.set_trouble(id, format!("the inspector of `{id}` cannot be told: {error:#}")),
        Ok(order) => {
            for inspector in post.all_mut().filter(is_untold) {
                let told = inspector.orders.as_ref().map(|orders| orders.try_send(Arc::clone(&order)));
                if matches!(told, Some(Ok(()))) {
                    inspector.sent = Some(digest);
                    inspector.owes_answer = true;
                }
            }
        }
    }
}

/// Sends the names to pass on unopened to whoever was sent others.
pub fn bypassed(inspectors: &Inspectors, id: &str, names: &[BypassName]) {
    let mut by_id = inspectors.lock();
    let Some(post) = by_id.get_mut(id) else { return };
    let is_untold = |it: &&mut Inspector| it.can_be_told() && it.bypassed.as_deref() != Some(names);
    if !post.all_mut().any(|inspector| is_untold(&inspector)) {
        return;
    }
    match setting::bypassed(names).map(Arc::new) {
        Ok(order) => {
            for inspector in post.all_mut().filter(is_untold) {
                // One that does not read is told with the next look.
                let told = inspector.orders.as_ref().map(|orders| orders.try_send(Arc::clone(&order)));
                if matches!(told, Some(Ok(()))) {
                    inspector.bypassed = Some(names.to_vec());
                }
            }
        }
        Err(error) => post.set_trouble(id, format!("the inspector of `{id}` cannot be told: {error:#}")),
    }
}
