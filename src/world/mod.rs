//! The real world behind the `World` trait: git, sandboxes and sessions, jobs. Every effect passes through here.

pub mod layout;

pub mod exec;

pub mod run;

pub mod session;

pub mod jobs;
