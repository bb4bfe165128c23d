//! `gt version`: which `gt` this is.

use clap::Args as ClapArgs;
use gastown_crds::common::API_VERSION;
use serde_json::json;

use super::common::context::Context;
use super::common::error::CliError;

/// Print the version of this gt.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let version = env!("CARGO_PKG_VERSION");
    if args.json {
        return gt.out.data(&json!({ "version": version, "apiVersion": API_VERSION }).to_string());
    }
    gt.out.data(&format!("gt {version} ({API_VERSION})"))
}
