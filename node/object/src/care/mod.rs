//! Care for an object: how it stands, and making it whole again. Neither needs to read it.

mod audit;
mod repair;
mod stat;
mod subject;
mod survey;
mod walk;

pub(crate) use subject::Cared;
