//! Stories of several machines, tables for one, and a random world.

mod random;
mod solo;
mod stories;
mod world;
