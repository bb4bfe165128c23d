//! `gt api-resources`: the kinds that there are, as `kubectl api-resources` lists them. It asks no town.

use clap::Args as ClapArgs;
use gastown_crds::common::API_VERSION;
use serde_json::json;

use super::common::context::Context;
use super::common::error::CliError;
use super::common::kinds::KINDS;
use super::common::table::Table;

/// List the kinds, with their short names.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    if args.json {
        let all = KINDS.iter().map(|kind| {
            json!({ "name": kind.plural, "shortNames": kind.short_names, "apiVersion": API_VERSION, "namespaced": true,
                    "kind": kind.name, "purpose": kind.purpose })
        });
        return gt.out.data(&all.collect::<serde_json::Value>().to_string());
    }
    let mut table = Table::new(["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]).fitting(&["KIND"], &[]);
    for kind in KINDS {
        table.row([kind.plural, &kind.short_names.join(","), API_VERSION, "true", kind.name]);
    }
    gt.out.data(&table.render(gt.out.width))
}
