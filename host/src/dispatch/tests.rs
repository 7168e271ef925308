//! One lane over real informers, a real executor and the embedded API, with a scripted handler and a paused clock.

mod anew;
mod blame;
mod events;
mod failures;
mod fights;
mod health;
mod random;
mod reload;
mod restart;
mod rig;
mod writes;
