//! Simulated towns: whole ones in virtual time, undisturbed, by drawn schedules, and with a fault at every effect.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

mod agent;
mod effects;
mod towns;

mod undisturbed;

mod lost;
mod outages;
mod people;

mod deletions;

mod seeds;

mod seeded;

mod crash;

mod sources;
mod stops;
mod story;
