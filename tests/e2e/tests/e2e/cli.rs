//! The command line: plugins and secrets.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use libtest_mimic::Trial;

use crate::world::{World, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_plugin_is_inspected_added_and_listed", plugins),
        test(world, "a_truncated_component_is_refused_with_the_reason", truncated),
        test(world, "a_secret_goes_in_and_never_comes_out", secrets),
        test(world, "a_command_on_a_folder_of_no_host_makes_none", slips),
        test(world, "off_loopback_the_host_wants_a_token", token),
        test(world, "help_says_what_each_command_does", help),
    ]
}

fn asgard(world: &World, arguments: &[&str]) -> Output {
    Command::new(&world.built().asgard).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn plugins(world: &World) {
    let component = world.built().plugins.join("sql/plugin.wasm");
    let data = world.folder("cli-plugins");
    let inspected = asgard(world, &["plugin", "inspect", text(&component)]);
    let shown = said(&inspected);
    assert!(inspected.status.success(), "{shown}");
    assert!(shown.contains("exports") && shown.contains("transform") && shown.contains("lakehouse"), "{shown}");
    let added = asgard(world, &["plugin", "add", text(&component), "--data", text(&data)]);
    assert!(added.status.success(), "{}", said(&added));
    let listed = said(&asgard(world, &["plugin", "list", "--data", text(&data)]));
    assert!(listed.contains("sql 0.1.0 sha256:"), "{listed}");
}

fn truncated(world: &World) {
    let whole = std::fs::read(world.built().plugins.join("sql/plugin.wasm")).unwrap();
    let folder = world.folder("cli-truncated");
    std::fs::write(folder.join("plugin.wasm"), &whole[..whole.len() / 2]).unwrap();
    std::fs::copy(world.built().plugins.join("sql/plugin.toml"), folder.join("plugin.toml")).unwrap();
    let refused = asgard(world, &["plugin", "add", text(&folder.join("plugin.wasm")), "--data", text(&folder)]);
    assert!(!refused.status.success());
    let shown = said(&refused);
    assert!(shown.contains("component"), "{shown}");
}

fn slips(world: &World) {
    let nowhere = world.folder("cli-slips").join("nowhere");
    let folder = text(&nowhere);
    for arguments in [
        &["secret", "set", "warehouse", "--data", folder][..],
        &["secret", "list", "--data", folder],
        &["secret", "rotate-key", "--data", folder],
        &["token", "create", "first", "--role", "admin", "--data", folder],
        &["token", "list", "--data", folder],
    ] {
        let refused = asgard(world, arguments);
        let shown = said(&refused);
        assert!(!refused.status.success() && shown.contains("no data folder of a host"), "{arguments:?}: {shown}");
        assert!(!nowhere.exists(), "{arguments:?} made a folder");
    }
    world.light();
    let data = world.light_data();
    for arguments in [
        &["secret", "set", "warehouse", "--environment", "locl", "--data", text(&data)][..],
        &["token", "create", "slip", "--role", "viewer", "--environment", "locl", "--data", text(&data)],
    ] {
        let refused = asgard(world, arguments);
        let shown = said(&refused);
        let told = shown.contains("there is no environment `locl`: there are") && shown.contains("`--new`");
        assert!(!refused.status.success() && told, "{arguments:?}: {shown}");
    }
}

fn secrets(world: &World) {
    let data = world.folder("cli-secrets");
    let mut set = Command::new(&world.built().asgard)
        .args(["secret", "set", "warehouse", "--new", "--data", text(&data)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut set.stdin.take().unwrap(), b"very-secret-value\n").unwrap();
    let set = set.wait_with_output().unwrap();
    assert!(set.status.success(), "{}", said(&set));
    let early = said(&asgard(world, &["secret", "list", "--data", text(&data)]));
    assert!(early.contains("there is none yet"), "{early}");
    drop(world.start_light(&data).unwrap());
    let listed = said(&asgard(world, &["secret", "list", "--data", text(&data)]));
    assert!(listed.contains("warehouse") && !listed.contains("very-secret-value"), "{listed}");
    for entry in std::fs::read_dir(&data).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        let bytes = std::fs::read(entry.path()).unwrap();
        let found = bytes.windows(b"very-secret-value".len()).any(|window| window == b"very-secret-value");
        assert!(!found, "the secret stands in {}", entry.path().display());
    }
}

fn token(world: &World) {
    let data = world.folder("cli-token");
    let refused = asgard(world, &["serve", "--listen", "0.0.0.0:0", "--data", text(&data)]);
    assert!(!refused.status.success());
    assert!(said(&refused).contains("token"), "{}", said(&refused));
}

fn help(world: &World) {
    for arguments in [&["--help"][..], &["serve", "--help"], &["plugin", "--help"], &["secret", "set", "--help"]] {
        let shown = asgard(world, arguments);
        assert!(shown.status.success() && said(&shown).len() > 200, "{}", said(&shown));
    }
}
