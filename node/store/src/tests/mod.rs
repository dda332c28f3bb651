//! The store as a whole: on real directories, and on simulated disks that lose power, fail and rot.

mod crash;
mod damage;
mod decay;
mod faults;
mod real;
pub(crate) mod rig;
mod rounds;
mod slow;
mod starts;
