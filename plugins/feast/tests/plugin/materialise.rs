use asgard_plugin_feast::run::{advance, start};
use asgard_sdk::Error;
use asgard_sdk::feature_source::{Dtype, MaterialiseRequest, Request, Status};

use crate::recorded::{Recorded, answer, view};

fn ended(host: &Recorded) -> Status {
    host.with(|feast| {
        let mut step =
            start(feast, Request::Materialise(MaterialiseRequest { view: view(&[("i", Dtype::Int64)]) })).unwrap();
        for _ in 0..2000 {
            match step.status {
                Status::Running(running) => host.now_ms.set(host.now_ms.get() + u64::from(running.poll_after_ms)),
                ended => return ended,
            }
            step = advance(feast, &step.state).unwrap();
        }
        panic!("it does not end");
    })
}

const STATE: &str = "GET /api/v1/feature_views/v";
const MATERIALISE: &str = "POST /materialize";
const READ: &str = "POST /get-online-features";

#[test]
fn a_view_is_applied_once_materialised_and_tried_until_the_server_knows_it() {
    let host = Recorded::new(&[
        (STATE, answer!(200, "view-generated.json")),
        (MATERIALISE, answer!(404, "unknown-view.json")),
        (MATERIALISE, (200, "null".to_owned())),
        (READ, answer!(404, "unknown-view.json")),
        (READ, answer!(200, "online.json")),
    ]);
    let Status::Succeeded(outcome) = ended(&host) else { panic!("it failed") };
    assert_eq!((outcome.rows, outcome.snapshots), (3, vec![("gold.rows".to_owned(), 7)]));
    assert_eq!(host.bodies("/materialize").len(), 2);
    assert_eq!(host.bodies("/materialize")[0]["feature_views"][0], "v");
    assert!(matches!(ended(&host), Status::Succeeded(_)));
    assert_eq!(host.requests().len(), 1, "applied once");
}

#[test]
fn a_view_that_another_host_applied_is_applied_again() {
    let host = Recorded::new(&[
        (STATE, answer!(200, "view-generated.json")),
        (MATERIALISE, (200, "null".to_owned())),
        (READ, answer!(200, "online.json")),
    ]);
    host.elsewhere.set(true);
    assert!(matches!(ended(&host), Status::Succeeded(_)));
    let asked = host.requests();
    assert_eq!((asked.len(), &asked[0]), (2, &asked[1]));
    assert_eq!(host.bodies("/materialize").len(), 1);
}

#[test]
fn a_materialisation_that_outlasts_its_request_is_followed_in_the_registry() {
    let host = Recorded::new(&[
        (STATE, answer!(200, "view-generated.json")),
        (STATE, answer!(200, "view-materializing.json")),
        (STATE, answer!(200, "view-materializing.json")),
        (STATE, answer!(200, "view-available-online.json")),
        (MATERIALISE, (0, "no answer within 60 s".to_owned())),
        (READ, answer!(200, "online.json")),
    ]);
    assert!(matches!(ended(&host), Status::Succeeded(_)));
    assert_eq!(host.bodies("/materialize").len(), 1);
}

#[test]
fn a_server_of_another_registry_is_told_so() {
    let host = Recorded::new(&[
        (STATE, answer!(200, "view-generated.json")),
        (MATERIALISE, answer!(404, "unknown-view.json")),
    ]);
    let Status::Failed(Error::Conflict(message)) = ended(&host) else { panic!("it is no success") };
    assert!(message.contains("project `live` of the same registry"), "{message}");
}
