//! The records against a model, on a disk that crashes, fails, fills up and rots.

mod crash;
mod damage;
mod rig;
mod states;
