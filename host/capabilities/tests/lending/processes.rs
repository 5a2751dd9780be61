use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use asgard_capabilities::processes::{Content, Ending, File, ProcessStatus, Processes, Spec};
use asgard_contract::Error;

use crate::host::{TestHost, processes_with, soon};

const SHELL: &str = r#"
    programs.sh = { type = "path", path = "sh" }
    programs.python = { type = "python", requirements = [] }
    programs.none = { type = "path", path = "no-such-program" }
    silver.grants.processes = ["sh", "python", "none"]
    silver.grants.objects = true
"#;

fn shell(script: &str) -> Spec {
    Spec {
        program: "sh".to_owned(),
        arguments: vec!["-c".to_owned(), script.to_owned()],
        environment: Vec::new(),
        files: Vec::new(),
        timeout_ms: 60_000,
        memory_bytes: None,
    }
}

fn python(script: &str) -> Spec {
    Spec { program: "python".to_owned(), arguments: vec!["-c".to_owned(), script.to_owned()], ..shell("") }
}

async fn ended(processes: &Processes, key: &str) -> ProcessStatus {
    soon(&format!("process {key} ends"), async || match processes.status(key).await.unwrap() {
        ProcessStatus::Running => None,
        ended => Some(ended),
    })
    .await
}

async fn output(processes: &Processes, key: &str) -> String {
    String::from_utf8(processes.output(key, 0, u32::MAX).await.unwrap().data).unwrap()
}

async fn printed(processes: &Processes, key: &str, text: &str) {
    soon("the script prints", async || output(processes, key).await.contains(text).then_some(())).await;
}

fn home(host: &TestHost, key: &str) -> PathBuf {
    let path = host.folder.path().canonicalize().unwrap();
    path.join("processes/tasks/test/tester/task-1").join(key).join("work")
}

#[tokio::test]
async fn a_process_sees_its_files_and_its_own_environment_and_nothing_else() {
    let host = TestHost::new(SHELL);
    let lent = host.lent();
    let processes = lent.processes.unwrap();
    lent.objects.unwrap().put("in/data", b"from an object".to_vec()).await.unwrap();
    let spec = Spec {
        environment: vec![("ASKED".to_owned(), "for this".to_owned()), ("LANG".to_owned(), "de_DE".to_owned())],
        files: vec![
            File { path: "a/b.txt".to_owned(), content: Content::Inline(b"inline".to_vec()) },
            File { path: "data".to_owned(), content: Content::Object("in/data".to_owned()) },
        ],
        ..shell(
            "cat a/b.txt data; echo; env | sort | cut -d= -f1 | tr '\\n' ' '; pwd; echo $LANG >&2; echo out > result; exit 3",
        )
    };
    processes.start("k", spec).await.unwrap();
    assert_eq!(ended(&processes, "k").await, ProcessStatus::Exited(3));
    let home = home(&host, "k");
    assert_eq!(
        output(&processes, "k").await,
        format!("inlinefrom an object\nASKED HOME LANG PATH PWD TMPDIR {}\nde_DE\n", home.display())
    );
    assert_eq!(processes.read_file("k", "result").await.unwrap(), b"out\n");
    let files = [("a/b.txt".to_owned(), 6), ("data".to_owned(), 14), ("result".to_owned(), 4)];
    assert_eq!(processes.list_files("k").await.unwrap(), files);
    processes.store_file("k", "result", "out/result").await.unwrap();
    assert_eq!(host.lent().objects.unwrap().get("out/result").await.unwrap(), b"out\n");

    let chunk = processes.output("k", 6, 4).await.unwrap();
    assert_eq!((chunk.data.as_slice(), chunk.next), (b"from".as_slice(), 10));
    processes.remove("k").await.unwrap();
    processes.remove("k").await.unwrap();
    assert!(matches!(processes.status("k").await, Err(Error::NotFound { .. })));
    assert!(!home.exists());
}

#[tokio::test]
async fn a_key_starts_one_process_however_often_it_is_called() {
    let host = TestHost::new(SHELL);
    let (processes, again) = (host.lent().processes.unwrap(), host.lent().processes.unwrap());
    let count = || shell("echo started >> log; sleep 0.2");
    let (a, b) = tokio::join!(processes.start("k", count()), again.start("k", count()));
    a.unwrap();
    b.unwrap();
    assert_eq!(ended(&processes, "k").await, ProcessStatus::Exited(0));
    processes.start("k", count()).await.unwrap();
    assert_eq!(processes.read_file("k", "log").await.unwrap(), b"started\n");
    // Another task has keys of its own.
    assert!(matches!(host.lent_to("task-2").processes.unwrap().status("k").await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_timeout_ends_a_script_that_ignores_signals_with_all_that_it_started() {
    let host = TestHost::new(SHELL);
    let processes = host.lent().processes.unwrap();
    let spec = Spec { timeout_ms: 500, ..shell("trap '' TERM; sleep 1000 & setsid sleep 1000 & wait") };
    let before = Instant::now();
    processes.start("k", spec).await.unwrap();
    assert_eq!(ended(&processes, "k").await, ProcessStatus::Ended(Ending::Timeout));
    assert!(before.elapsed() < Duration::from_secs(8), "{:?}", before.elapsed());
    assert_eq!(processes_with(&home(&host, "k")), [0; 0]);
}

#[tokio::test]
async fn a_daemon_does_not_outlive_the_script_that_left_it() {
    let host = TestHost::new(SHELL);
    let processes = host.lent().processes.unwrap();
    // Forks twice, leaves session and group, closes its output, changes its environment: all that daemons do.
    let script = r"
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.chdir('/')
        for fd in (0, 1, 2): os.close(fd)
        os.execve('/bin/sleep', ['sleep', '1000'], {'HIDDEN': 'DAEMON-OF-' + os.environ['HOME']})
    os._exit(0)
time.sleep(0.5)
sys.exit(0)
";
    processes.start("k", python(script)).await.unwrap();
    soon("the daemon runs", async || {
        (!processes_with(Path::new(&format!("DAEMON-OF-{}", home(&host, "k").display()))).is_empty()).then_some(())
    })
    .await;
    assert_eq!(ended(&processes, "k").await, ProcessStatus::Exited(0));
    assert_eq!(processes_with(&home(&host, "k")), [0; 0]);
}

#[tokio::test]
async fn a_script_that_keeps_forking_is_stopped_to_the_last_child() {
    let host = TestHost::new(SHELL);
    let processes = host.lent().processes.unwrap();
    processes
        .start("k", shell("while :; do setsid sh -c 'sleep 1000 & sleep 1000 & wait' & sleep 0.01; done"))
        .await
        .unwrap();
    let home = home(&host, "k");
    soon("it forks", async || (processes_with(&home).len() > 30).then_some(())).await;
    processes.stop("k").await.unwrap();
    assert_eq!(processes_with(&home), [0; 0]);
    assert_eq!(processes.status("k").await.unwrap(), ProcessStatus::Ended(Ending::Stopped));
    processes.stop("k").await.unwrap();
}

#[tokio::test]
async fn more_memory_than_allowed_fails_the_script_alone() {
    let host = TestHost::new(SHELL);
    let processes = host.lent().processes.unwrap();
    let spec =
        Spec { memory_bytes: Some(256 << 20), ..python("print('before'); x = bytearray(1 << 30); print('after')") };
    processes.start("k", spec).await.unwrap();
    assert_eq!(ended(&processes, "k").await, ProcessStatus::Exited(1));
    assert!(output(&processes, "k").await.contains("MemoryError"));
}

#[tokio::test]
async fn a_process_outlives_its_host_and_the_next_one_finds_its_end() {
    let folder = {
        let host = TestHost::new(SHELL);
        let processes = host.lent().processes.unwrap();
        processes
            .start("k", shell("echo begun; while [ ! -e go ]; do sleep 0.05; done; echo done; exit 5"))
            .await
            .unwrap();
        processes.start("quick", shell("exit 4")).await.unwrap();
        printed(&processes, "k", "begun").await;
        Arc::clone(&host.folder)
    };
    let host = TestHost::in_folder(folder, SHELL);
    let processes = host.lent().processes.unwrap();
    assert_eq!(ended(&processes, "quick").await, ProcessStatus::Exited(4));
    assert_eq!(processes.status("k").await.unwrap(), ProcessStatus::Running);
    std::fs::write(home(&host, "k").join("go"), "").unwrap();
    assert_eq!(ended(&processes, "k").await, ProcessStatus::Exited(5));
    assert_eq!(output(&processes, "k").await, "begun\ndone\n");
}

#[tokio::test]
async fn a_process_whose_keeper_was_killed_is_found_dead_with_its_children() {
    let host = TestHost::new(SHELL);
    let processes = host.lent().processes.unwrap();
    processes.start("k", shell("setsid sleep 1000 & echo begun; wait")).await.unwrap();
    printed(&processes, "k", "begun").await;
    let home = home(&host, "k");
    let mark = std::fs::read_to_string(home.parent().unwrap().join("keeper.json")).unwrap();
    let pid = mark.split(|c: char| !c.is_ascii_digit()).find(|part| !part.is_empty()).unwrap().to_owned();
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    assert_eq!(ended(&processes, "k").await, ProcessStatus::Ended(Ending::Signal));
    assert_eq!(processes_with(&home), [0; 0]);
}

#[tokio::test]
async fn a_script_that_kills_itself_ended_by_a_signal() {
    let processes = TestHost::new(SHELL).lent().processes.unwrap();
    processes.start("k", shell("kill -SEGV $$")).await.unwrap();
    assert_eq!(ended(&processes, "k").await, ProcessStatus::Ended(Ending::Signal));
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_with_the_reason() {
    let host = TestHost::new(SHELL);
    let processes = host.lent().processes.unwrap();
    let denied = processes.start("k", Spec { program: "bash".to_owned(), ..shell("") }).await.unwrap_err();
    assert_eq!(
        denied.to_string(),
        "plugin `tester` may not run `bash`: add `bash` to `silver.grants.processes` of environment `test`"
    );
    let file = |path: &str, key: &str| File { path: path.to_owned(), content: Content::Object(key.to_owned()) };
    for (spec, wrong) in [
        (Spec { program: "none".to_owned(), ..shell("") }, "programs.none.path"),
        (Spec { files: vec![file("../x", "k")], ..shell("") }, "files[0].path"),
        (Spec { files: vec![file("x", "../k")], ..shell("") }, "files[0].key"),
        (Spec { environment: vec![("A=B".to_owned(), String::new())], ..shell("") }, "environment[0]"),
        (Spec { arguments: vec!["a\0b".to_owned()], ..shell("") }, "arguments[0]"),
    ] {
        let error = processes.start("k", spec).await.unwrap_err();
        assert!(
            matches!(&error, Error::InvalidInput { field: Some(field), .. } if field == wrong),
            "{wrong}: {error:?}"
        );
    }
    let missing = processes.start("k", Spec { files: vec![file("x", "no/such")], ..shell("") }).await.unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }));
    assert!(processes.start("../k", shell("")).await.is_err());
    assert!(matches!(processes.status("k").await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_link_that_a_script_left_leads_nowhere() {
    let processes = TestHost::new(SHELL).lent().processes.unwrap();
    processes.start("k", shell("ln -s /etc/passwd link; mkfifo fifo; echo x > real; ln -s real inside")).await.unwrap();
    ended(&processes, "k").await;
    assert!(matches!(processes.read_file("k", "link").await, Err(Error::Forbidden { .. })));
    assert!(matches!(processes.store_file("k", "link", "stolen").await, Err(Error::Forbidden { .. })));
    assert!(matches!(processes.read_file("k", "fifo").await, Err(Error::NotFound { .. })));
    assert_eq!(processes.read_file("k", "inside").await.unwrap(), b"x\n");
    assert_eq!(processes.list_files("k").await.unwrap(), [("real".to_owned(), 2)]);
}

const TOLD: &str = r#"
    programs.sh = { type = "path", path = "sh" }
    silver.grants.processes = [{ program = "sh", substitute_secrets = true }]
"#;

fn with_secrets() -> Spec {
    let json = br#"{"user":"me","auth":[{"password":"secret://password"}],"note":"see secret://password"}"#;
    Spec {
        environment: vec![("TOKEN".to_owned(), "secret://password".to_owned())],
        files: vec![
            File { path: "config.json".to_owned(), content: Content::Inline(json.to_vec()) },
            File { path: "notes.txt".to_owned(), content: Content::Inline(b"secret://password".to_vec()) },
        ],
        ..shell("cat config.json; echo; cat notes.txt; echo; echo $TOKEN")
    }
}

#[tokio::test]
async fn a_granted_program_is_told_secrets_in_its_variables_and_json_files() {
    let host = TestHost::new(TOLD);
    let lent = host.lent();
    let processes = lent.processes.unwrap();
    processes.start("k", with_secrets()).await.unwrap();
    ended(&processes, "k").await;
    let output = output(&processes, "k").await;
    let lines: Vec<&str> = output.lines().collect();
    let config: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(config["auth"][0]["password"], "pencil");
    assert_eq!(config["note"], "see secret://password");
    assert_eq!(lines[1..], ["secret://password", "pencil"]);
    // What was looked up is kept out of what the call says, and later ones of the plugin.
    assert_eq!(lent.used_secrets.conceal("it is pencil"), "it is **********");
    assert_eq!(host.lent_to("another").used_secrets.conceal("it is pencil"), "it is **********");
    // A host that did not start the process knows what it was told once its output was read.
    let later = host.apply(TOLD).lent();
    assert_eq!(later.used_secrets.conceal("it is pencil"), "it is pencil");
    later.processes.unwrap().output("k", 0, 10).await.unwrap();
    assert_eq!(later.used_secrets.conceal("it is pencil"), "it is **********");
}

#[tokio::test]
async fn a_program_that_may_not_see_secrets_is_not_started_with_their_names() {
    let processes = TestHost::new(SHELL).lent().processes.unwrap();
    let denied = processes.start("k", with_secrets()).await.unwrap_err();
    assert!(matches!(denied, Error::Forbidden { .. }), "{denied:?}");
    let message = denied.to_string();
    assert!(message.contains("substitute_secrets = true") && message.contains("silver.grants.processes"), "{message}");
    assert!(matches!(processes.status("k").await, Err(Error::NotFound { .. })));
    let told = TestHost::new(TOLD).lent().processes.unwrap();
    let missing = Spec { environment: vec![("A".to_owned(), "secret://none".to_owned())], ..shell("") };
    assert!(matches!(told.start("k", missing).await, Err(Error::NotFound { .. })));
}

fn stream(script: &str) -> Spec {
    Spec { environment: vec![("ASGARD_OUTPUT".to_owned(), "stream".to_owned())], ..shell(script) }
}

#[tokio::test]
async fn a_stream_waits_for_its_reader_and_loses_nothing() {
    let processes = TestHost::new(SHELL).lent().processes.unwrap();
    // 60 MiB in lines of 64 bytes, nearly twice what is kept.
    let lines = 60 << 14;
    processes.start("k", stream(&format!("seq -f '%063.0f' 1 {lines}; echo done > done"))).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(processes.status("k").await.unwrap(), ProcessStatus::Running);
    let (mut offset, mut next, mut held) = (0, 1_u64, Vec::new());
    loop {
        let status = processes.status("k").await.unwrap();
        let chunk = processes.output("k", offset, u32::MAX).await.unwrap();
        assert_eq!(chunk.next, offset + chunk.data.len() as u64, "nothing is missing");
        if chunk.data.is_empty() && status != ProcessStatus::Running {
            break;
        }
        offset = chunk.next;
        held.extend(chunk.data);
        let whole = held.len() / 64 * 64;
        for line in held.drain(..whole).collect::<Vec<u8>>().chunks(64) {
            assert_eq!(std::str::from_utf8(line).unwrap().trim_end().parse::<u64>().unwrap(), next);
            next += 1;
        }
    }
    assert_eq!((next - 1, offset), (lines, lines * 64));
    assert_eq!(processes.read_file("k", "done").await.unwrap(), b"done\n");
}

#[tokio::test]
async fn standard_error_of_a_stream_is_kept_beside_its_output() {
    let processes = TestHost::new(SHELL).lent().processes.unwrap();
    let script = "echo data; env | grep -c ASGARD_OUTPUT; seq 1 40000 >&2; echo 'the last words' >&2; exit 3";
    processes.start("k", stream(script)).await.unwrap();
    assert_eq!(ended(&processes, "k").await, ProcessStatus::Exited(3));
    assert_eq!(output(&processes, "k").await, "data\n0\n");
    let newest = processes.read_file("k", ".asgard/stderr").await.unwrap();
    let older = processes.read_file("k", ".asgard/stderr.before").await.unwrap();
    assert!(newest.ends_with(b"the last words\n"));
    assert!(newest.len() + older.len() < 200 << 10, "{} {}", newest.len(), older.len());
    let unknown = Spec { environment: vec![("ASGARD_OUTPUT".to_owned(), "loud".to_owned())], ..shell("") };
    assert!(processes.start("u", unknown).await.unwrap_err().to_string().contains("`log` or `stream`"));
}
