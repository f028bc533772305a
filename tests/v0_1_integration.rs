//! The integration test of the published crate, version 0.1.0, against this one: whoever
//! changes the version in their Cargo.toml keeps what they had.
//!
//! It is included and not copied in here, so that the file stays what was published, byte
//! for byte, whatever our rustfmt would make of it. Where it comes from and whose it is:
//! `published/README.md`.

include!("published/integration.rs");
