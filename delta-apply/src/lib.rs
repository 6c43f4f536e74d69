//! The apply engine: verified groups in, target segments out.
