//! Every hostile act fails its own call with a clear error, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use asgard_contract::Error;
use asgard_contract::environment::Limits;

use crate::setup::{call, plugin, run};

/// So small that the acts end soon.
fn tight() -> Limits {
    Limits { memory_bytes: 64 << 20, cpu_seconds: 1, log_lines: 5, ..Limits::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_act_fails_with_its_own_error_while_good_calls_succeed() {
    let acts = [
        ("loop", "used more than 1 s of processor time in one call", "`limits.cpu_seconds` of environment `local`"),
        ("sleep", "did not answer within 2 s", "raise `limits.step_seconds` of environment `local`"),
        ("allocate", "may have 67108864: raise `limits.memory_bytes`", "bytes of memory"),
        ("panic", "panicked: at ", "the statement asked for it in two lines"),
        ("recurse", "ran out of stack", "recursion"),
        ("recurse with arrays", "reached outside of its memory", "recursion"),
        ("exit", "ended its process instead of answering", ""),
        ("huge answer", "broke the contract", "too much data"),
        ("forge a handle", "broke the contract", "handle"),
        ("details of no JSON", "details that are no JSON", ""),
        ("details of no object", "details that are no JSON object", ""),
    ];
    let hostile = plugin("hostile").await;
    let good = plugin("echo").await;

    let stop = Arc::new(AtomicBool::new(false));
    let beside = tokio::spawn({
        let stop = Arc::clone(&stop);
        async move {
            let mut succeeded = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                good.transform(call(tight()).0).start(&run("SELECT 1")).await.unwrap();
                succeeded += 1;
            }
            succeeded
        }
    });
    let attempts = acts.map(|(act, ..)| {
        let limits = match act {
            // Only the one that waits must not wait for long: on a busy machine a second of the processor takes many.
            "sleep" => Limits { step_seconds: 2, ..tight() },
            // What it takes to answer hugely is not the point of that act.
            "huge answer" => Limits { memory_bytes: 1 << 30, cpu_seconds: 60, ..tight() },
            _ => tight(),
        };
        let transform = hostile.transform(call(limits).0);
        tokio::spawn(async move { transform.start(&run(act)).await })
    });
    for ((act, expected, advice), attempt) in acts.into_iter().zip(attempts) {
        let error = attempt.await.unwrap().unwrap_err();
        let message = error.to_string();
        assert!(message.contains(expected) && message.contains(advice), "{act}: {message}");
        assert_eq!(error.is_retryable(), act == "sleep", "{act}: {error:?}");
    }
    stop.store(true, Ordering::Relaxed);
    assert!(beside.await.unwrap() > 10);
}

#[tokio::test(flavor = "current_thread")]
async fn a_guest_in_a_loop_holds_up_neither_its_callers_thread_nor_other_guests() {
    // Longer than ten good calls take on the busiest machine.
    let hostile = plugin("hostile").await.transform(call(Limits { cpu_seconds: 600, ..tight() }).0);
    let good = plugin("echo").await.transform(call(tight()).0);
    let looping = tokio::spawn(async move { hostile.start(&run("loop")).await });
    tokio::task::yield_now().await;
    for _ in 0..10 {
        good.start(&run("SELECT 1")).await.unwrap();
    }
    assert!(!looping.is_finished(), "ten good calls came before the end of the loop");
    looping.abort();
    assert!(looping.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn a_flood_of_lines_is_cut_and_counted() {
    // To its end, however slow the machine is.
    let (call, lines) = call(Limits { cpu_seconds: 600, ..tight() });
    plugin("hostile").await.transform(call).start(&run("flood")).await.unwrap();
    let lines = lines.all();
    assert_eq!(lines[..3], ["Info line 0", "Normal Flood more", "Info standard output 0"]);
    assert_eq!(lines.len(), 6, "five lines and the note: {lines:?}");
    assert_eq!(lines[5], "Warn 299996 more lines were not kept: one call may log 5 (`limits.log_lines`)");
}

#[tokio::test]
async fn a_line_without_an_end_takes_no_memory() {
    let (call, lines) = call(tight());
    plugin("hostile").await.transform(call).start(&run("endless line")).await.unwrap();
    assert_eq!(lines.all().len(), 1);
    assert!(lines.all()[0].len() < 20 << 10);
}

#[tokio::test]
async fn what_was_logged_before_a_trap_is_kept() {
    let (call, lines) = call(tight());
    let error = plugin("hostile").await.transform(call).start(&run("panic")).await.unwrap_err();
    assert!(matches!(error, Error::Internal { .. }));
    let lines = lines.all();
    assert!(lines.iter().any(|line| line.contains("in two lines")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("RUST_BACKTRACE")), "{lines:?}");
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_ended() {
    let hostile = plugin("hostile").await.transform(call(Limits::default()).0);
    let abandoned = tokio::spawn(async move { hostile.start(&run("loop")).await });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    abandoned.abort();
    assert!(abandoned.await.unwrap_err().is_cancelled());
}
