//! Opens artifacts, names their type by content, digests them.
