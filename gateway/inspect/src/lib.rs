//! The inspector of one municipality: looks at each connection, decides by the municipality's TLS rules, and copies,
//! opens or refuses it.

pub mod http;
pub mod seam;
