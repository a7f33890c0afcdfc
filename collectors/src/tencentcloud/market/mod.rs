//! Packages of the script market for Tencent Cloud, each a declaration in a file of its own.
//!
//! Left out: `postgresql` and `tdsql_c_mysql`, whose manuals print another product's object, and `eip`, whose manual's sample is not to be had:
//! what they would report is nowhere said.

use super::client::{ASSUME_ROLE, Json3};
use super::cos::Cos;
use crate::account::Cloud;
use crate::objects::declare::*;

pub mod cdb;
pub mod ckafka;
pub mod clb;
pub mod cos;
pub mod mariadb;
pub mod memcached;
pub mod mongodb;
pub mod redis;
pub mod sqlserver;

/// What they all say of themselves.
const OBJECTS: Description = objects_of(Cloud::Tencent);
