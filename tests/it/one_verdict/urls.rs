//! The URLs that parsers disagree about, in every way.
