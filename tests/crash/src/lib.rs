//! Brokers that are killed, or lose their power, under load: what they acknowledged must be there
//! when they are back.
//!
//! A [`Life`] is a data directory with a broker that is crashed again and again. Its writers number
//! what they send, and a [`history`] compares all of that with all that can be read afterwards. The
//! cases that cargo runs are under `cases/`.

mod failure;
pub mod history;
mod hog;
mod life;
pub mod load;
mod loop_disk;
mod patience;
mod reader;
mod settings;
mod topics;
mod victim;

pub use failure::{Failure, Finding};
pub use life::{Crowd, Fate, Life, LifeConfig, Tally};
pub use loop_disk::LoopDisk;
pub use reader::read_back;
pub use settings::{is_set, number_from_env, on_path, seed};
pub use victim::Victim;
