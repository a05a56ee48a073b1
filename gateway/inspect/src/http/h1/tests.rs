//! The readers on whole streams: the corpora, every way to cut them, and random ones.

mod corpora;
mod cuts;
