//! The device daemon and its command line.
