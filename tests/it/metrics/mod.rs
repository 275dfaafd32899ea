//! `/metrics`: what happens is counted, nothing that a caller chose is told, and the documents name what is there.

mod access;
mod counts;
mod described;
mod formats;
mod labels;
