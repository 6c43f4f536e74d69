//! Boot back ends: who decides which slot starts. One so far, [`mod@file`]; others follow behind the same trait
//! ([`crate::platform::BootLoader`]).

pub mod file;
