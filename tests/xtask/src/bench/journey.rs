//! The whole journey on an optimised host.

use anyhow::{Context, Result};
use asgard_journey::host::Host;
use asgard_journey::source::FactorySource;
use asgard_journey::steps::Journey;

use super::{Measurement, memory};
use crate::build::{self, Profile};
use crate::shell::root;

pub(super) fn measure() -> Result<Vec<Measurement>> {
    let built = build::everything(Profile::Release)?;
    let folder = root().join(".asgard/bench-journey");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let host = Host::start(&built, &folder.join("host"), 0)?;
    let factory = FactorySource::start(&folder.join("postgres"))?;
    super::super::demo::prepared(&host)?;
    let client = host.client();
    let figures = Journey::new(&client, &|_| {}).run(&factory.source())?;
    let rss = memory(host.pid().context("the host has gone")?, "VmHWM")?;
    host.stop()?;
    // No other tool makes this journey by itself; the aim stands where a peer would.
    Ok(vec![Measurement::new("journey", figures.journey_seconds, Some(15.0), "the aim", "s").with_rss(rss)])
}
