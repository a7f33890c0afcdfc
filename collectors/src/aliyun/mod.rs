//! Alibaba Cloud: signing, endpoints, errors, and one file for each collector.

pub mod client;
pub mod endpoint;
mod errors;
pub mod sign;
