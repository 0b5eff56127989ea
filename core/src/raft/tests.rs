//! Stories of several machines, tables for one, and a random world.

mod batch;
mod change;
mod duels;
mod learners;
mod lease;
mod matching;
mod partitions;
mod random;
mod read;
mod read_index;
mod rebuild;
mod resign;
mod snapshot;
mod solo;
mod stories;
mod transfer;
mod witness;
mod words;
mod world;
