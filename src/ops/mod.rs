//! The operations on a pool's register, by what they do.

pub(crate) mod admit;
pub(crate) mod configure;
pub(crate) mod request;
pub(crate) mod settle;
pub(crate) mod wait;
pub(crate) mod watched;
