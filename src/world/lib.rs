//! The world behind the `Adapter` trait: git, sandboxes and sessions, jobs. Every effect passes through here.

pub mod real;

pub mod git;

pub mod session;

pub mod source;

pub mod jobs;

mod notify;

pub mod records;

pub mod messages;

pub mod sim;

pub mod observe;

pub mod exec;

mod named_file;

pub mod layout;

pub mod town;

pub mod agents;

pub mod retention;

pub mod free;
