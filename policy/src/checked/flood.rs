//! `[flood]` of the prefecture.

/// What is held to be a flood, for every municipality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flood {
    /// Whether answers of amplifiers that nobody has asked are dropped.
    pub reflection: bool,
}
