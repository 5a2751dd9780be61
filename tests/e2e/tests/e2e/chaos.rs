//! The short form of `cargo xtask chaos`.

use std::sync::Arc;

use asgard_journey::chaos::{self, Plan};
use libtest_mimic::Trial;

use crate::world::{World, fixture, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![test(world, "syncs_lose_and_double_nothing_while_hosts_are_killed_and_paused", briefly)]
}

fn briefly(world: &World) {
    let plan = Plan { runs: 20, seed: 7 };
    let modeller = fixture(world, "modeller");
    let folder = world.folder("chaos");
    let report = chaos::run(world.built(), &modeller, &folder, plan, &|how| println!("{how}")).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.runs, report.kills + report.pauses), (20, 20));
    assert!(report.kills > report.pauses, "{report:?}");
}
