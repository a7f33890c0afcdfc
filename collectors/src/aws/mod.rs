//! Amazon Web Services: signing, endpoints, errors, and one file for each collector.

pub mod api;
pub mod client;
pub mod cloudwatch;
pub mod ec2;
mod ec2_shape;
pub mod endpoint;
pub mod errors;
pub mod market;
pub mod sign;
