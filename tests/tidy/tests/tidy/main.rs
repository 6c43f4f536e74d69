//! The rules of ARCHITECTURE.md, section "What is absent", each as a test.

mod calls;
mod dependencies;
mod documents;
mod files;
mod unsafety;
