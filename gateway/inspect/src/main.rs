//! `bangasa-inspect`: the inspector of one municipality.

fn main() {}
