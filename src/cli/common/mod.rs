//! What commands share: the town and its API at hand, how a command fails, and what it reads and prints.

pub mod agents;
pub mod context;
pub mod enforce;
pub mod error;
pub mod events;

pub mod kinds;
pub mod overrides;
pub mod recipients;
pub mod schema;

pub mod age;
pub mod complete;
pub mod controller;
pub mod disk;
pub mod table;
pub mod terminal;

pub mod jsonpath;

pub mod files;
pub mod git;
pub mod inotify;
pub mod watching;

pub mod gone;
pub mod timeout;

pub mod screen;
pub mod worker;
