//! Payload coding, manifest, bundle and channel writers.
