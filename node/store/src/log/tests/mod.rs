//! The log against a model, on a disk that crashes, fails, fills up and rots.

mod crash;
mod damage;
mod faults;
mod model;
mod rig;
mod shape;
