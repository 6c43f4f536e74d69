//! The host command line.
