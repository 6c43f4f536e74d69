//! What the executor is told about its device, by configuration.

use delta_format::Name;

/// Settings of one device.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The product line; bundles for others are refused.
    pub product: Name,
    /// The hardware; bundles that do not name it are refused.
    pub hardware: Name,
    /// Bytes of memory that applying may take.
    pub memory_bytes_max: u32,
    /// Payloads up to this size are fetched completely before the first write to a slot; larger ones stream through
    /// the state directory.
    pub spool_bytes: u64,
    /// Bytes written to the slot between two syncs, each followed by a journal record: what a power cut costs at most.
    pub budget_bytes: u64,
    /// Starts that a new slot gets to prove itself.
    pub tries: u8,
}

impl Settings {
    /// The defaults for everything but the names.
    pub fn new(product: Name, hardware: Name) -> Self {
        Self {
            product,
            hardware,
            // The default profile of DESIGN: the engine's own figure stays below this for every default bundle.
            memory_bytes_max: 16 << 20,
            // 1024 groups; a slow link takes minutes for them, and a slot should not be half-written that long.
            spool_bytes: 64 << 20,
            budget_bytes: 16 << 20,
            tries: 3,
        }
    }
}
