//! Formulas as Beads, Gas Town and Gas City write them, cooked into a protomolecule: steps, what they need, and vars.
//!
//! Texts go in, with a [`Library`] that finds others by name; a [`Protomolecule`] comes out, or an [`Error`] that points
//! at the line. Nothing here reads a file, a clock or the environment, and the same texts give the same digest.
//!
//! # Design notes
//!
//! One model serves all dialects, so a file need not say whose it is. Where the originals disagree, a file that either
//! of them cooks is cooked here:
//!
//! - A var that is required and has a default: Gas Town reads it and Beads refuses it. Its default is used, with a
//!   warning.
//! - An aspect of advice alone: Beads cooks it and Gas Town refuses it. By itself it has no steps.
//! - `compose.aspects`: Gas Town ignores it; as in Beads it is applied, so such a formula has more steps here.
//! - A step without title: Gas Town reads it and Beads refuses it. Its id is the title, with a warning.
//! - Unknown keys: all of them ignore these; here each is a warning.
//!
//! Deliberate differences, each because the original loses something:
//!
//! - `extends` keeps what Beads drops, see `extend.rs`.
//! - Pointcuts limit advice; Beads reads them only.
//! - What needs a loop, or a step that was expanded, needs the last step in its place; what it needed itself, its first
//!   steps need. Beads forgets both for loops.
//! - A loop with `until` is a step that consists of its iterations, the first of which is there from the start. Beads puts the first
//!   iteration in its place, and forgets to wait for the others.
//! - A step that is left out hands what it needed on to those that need it, so their order is kept.
//! - A range may use vars: Beads passes none.
//! - `run`, a command, is never filled in here. Whoever runs it knows how to quote; this crate does not.
//!
//! An overlay is applied behind `extends`, see `overlay.rs` for what a step's id means there.
//!
//! All that can grow has a bound with a name, see `bounds.rs`. One that is hit is an error, never a cut.

mod advice;
pub mod bounds;
mod condition;
mod cook;
mod cooked;
mod error;
mod expand;
mod extend;
mod fill;
mod glob;
mod kitchen;
mod loops;
mod model;
mod node;
mod observed;
mod order;
mod overlay;
mod parse;
mod range;
mod source;
mod step;
mod suggest;
mod values;
mod wire;

pub use cook::{Mode, cook, cook_overlaid};
pub use cooked::{CookedStep, Protomolecule, Root, StepType, every_step};
pub use error::{Error, Problem, Warning};
pub use model::{BondPoint, FormulaType, Hook, Phase, Var};
pub use observed::{Condition, Facts, Standing, in_last_iteration, meanings};
pub use overlay::{Override, OverrideMode, overrides};
pub use source::{Empty, Format, Library, Location, Source};
pub use step::{By, Check, Children, Gate, Loop, Need, OnComplete, Repeat, Retry, Step, Via, WaitsFor};
