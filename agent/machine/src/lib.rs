//! The update machine: states, events, effects.
