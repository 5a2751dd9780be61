//! What syncs read again, what they do not, and what an interruption costs.

use asgard_contract::connector::SyncMode::{
    FullRefreshAppend, FullRefreshOverwrite, IncrementalAppend, IncrementalMerge,
};
use asgard_contract::environment::Limits;
use serde_json::json;

use crate::host::{Host, local};
use crate::lake::Lake;

#[tokio::test]
async fn an_incremental_append_reads_new_files_and_changed_ones() {
    let host = Host::new().await;
    let configuration = local(json!({"name": "a", "files": ["*.csv"]}));
    Host::touch(&host.write("1.csv", "a\n1\n"), 1);
    Host::touch(&host.write("2.csv", "a\n2\n"), 2);
    let mut lake = Lake::filled(&host, &configuration, IncrementalAppend).await;
    lake.sync(&host).await.unwrap();
    assert_eq!(lake.column("a"), ["1", "2"], "nothing is read twice");
    Host::touch(&host.write("3.csv", "a\n3\n"), 3);
    lake.sync(&host).await.unwrap();
    assert_eq!(lake.column("a"), ["1", "2", "3"]);
    Host::touch(&host.write("1.csv", "a\n1\n10\n"), 4);
    lake.sync(&host).await.unwrap();
    assert_eq!(lake.column("a"), ["1", "2", "3", "1", "10"], "a changed file is read again");
    std::fs::remove_file(host.data().join("2.csv")).unwrap();
    lake.sync(&host).await.unwrap();
    assert_eq!(lake.rows.len(), 5);
}

#[tokio::test]
async fn an_incremental_merge_keeps_the_row_of_the_file_that_changed_last() {
    let host = Host::new().await;
    let configuration = local(json!({"name": "a", "files": ["*.csv"], "primary_key": ["id"]}));
    // By name the other way round.
    Host::touch(&host.write("z.csv", "id,v\n1,old\n2,kept\n"), 1);
    Host::touch(&host.write("a.csv", "id,v\n1,new\n"), 2);
    let mut lake = Lake::filled(&host, &configuration, IncrementalMerge).await;
    assert_eq!(lake.column("v"), ["kept", "new"]);
    Host::touch(&host.write("b.csv", "id,v\n,nobody\n"), 3);
    lake.sync(&host).await.unwrap();
    assert!(lake.told().contains("b.csv`: line 2: column `id` is part of the primary key"), "{}", lake.told());
}

#[tokio::test]
async fn full_refreshes_read_everything_each_time() {
    let host = Host::new().await;
    let configuration = local(json!({"name": "a", "files": ["*.csv"]}));
    host.write("1.csv", "a\n1\n");
    let mut replaced = Lake::filled(&host, &configuration, FullRefreshOverwrite).await;
    let mut added = Lake::filled(&host, &configuration, FullRefreshAppend).await;
    replaced.sync(&host).await.unwrap();
    added.sync(&host).await.unwrap();
    assert_eq!((replaced.rows.len(), added.rows.len()), (1, 2));
}

/// Two files; the first has more rows than there are between two checkpoints.
fn large(host: &Host, compressed: bool) -> usize {
    let mut text = "id,text\n".to_owned();
    for id in 0..600_000 {
        text.push_str(&format!("{id},\"a\nb\"\n"));
    }
    if compressed {
        let bytes = ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
        Host::touch(&host.write("1.csv.zst", bytes), 1);
    } else {
        Host::touch(&host.write("1.csv", text), 1);
    }
    Host::touch(&host.write("2.csv", "id,text\n600000,x\n"), 2);
    600_001
}

#[tokio::test]
async fn an_interrupted_sync_goes_on_within_a_file_and_no_row_is_lost_or_doubled() {
    for (mode, compressed) in [(IncrementalAppend, false), (FullRefreshOverwrite, false), (FullRefreshAppend, true)] {
        let host = Host::new().await;
        let rows = large(&host, compressed);
        let configuration = local(json!({"name": "a", "files": ["*.csv", "*.csv.zst"]}));
        let mut lake = Lake::new(&host, &configuration, mode).await;
        let task = lake.next_task();
        let mut events = 0;
        // It breaks off at each checkpoint, some events later.
        for interruption in 1.. {
            let mut sync = lake.open(&host, &task).await;
            let mut ended = false;
            while lake.checkpoints < interruption && !ended {
                ended = !lake.take(sync.next().await.unwrap(), &task);
                events += 1;
            }
            for _ in 0..interruption {
                ended = ended || !lake.take(sync.next().await.unwrap(), &task);
            }
            if ended {
                break;
            }
        }
        assert_eq!(lake.failure, None);
        assert!(lake.checkpoints >= 3, "{}", lake.checkpoints);
        // A file that was begun anew at each interruption would be read three times.
        assert!(events < 70, "{events} events");
        let mut ids: Vec<usize> = lake.column("id").iter().map(|text| text.parse().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids.len(), rows, "{mode:?}");
        assert!(ids.into_iter().eq(0..rows), "{mode:?}");
    }
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_told_and_read_anew() {
    let host = Host::new().await;
    large(&host, false);
    let configuration = local(json!({"name": "a", "files": ["1.csv"]}));
    let mut lake = Lake::new(&host, &configuration, FullRefreshOverwrite).await;
    let task = lake.next_task();
    let mut sync = lake.open(&host, &task).await;
    lake.take(sync.next().await.unwrap(), &task);
    lake.take(sync.next().await.unwrap(), &task);
    host.write("1.csv", "id,text\n7,x\n");
    let error = loop {
        match sync.next().await {
            Ok(event) => assert!(lake.take(event, &task), "it ended as if nothing had happened"),
            Err(error) => break error,
        }
    };
    assert!(error.is_retryable() && error.to_string().contains("changed while it was read"), "{error:?}");
    drop(sync);
    lake.sync(&host).await.unwrap();
    assert_eq!(lake.column("id"), ["7"]);
}

#[tokio::test]
async fn a_file_larger_than_the_sandbox_is_read_in_little_memory() {
    let mut host = Host::new().await;
    host.limits = Limits { memory_bytes: 64 << 20, ..Limits::default() };
    let line = format!("1,{}\n", "x".repeat(1000));
    let text = format!("id,text\n{}", line.repeat(150_000));
    assert!(text.len() > 2 * (64 << 20));
    host.write("a.csv", text);
    let mut lake = Lake::new(&host, &local(json!({"name": "a", "files": ["a.csv"]})), FullRefreshOverwrite).await;
    let mut sync = lake.open(&host, "task").await;
    let mut rows = 0;
    loop {
        match sync.next().await.unwrap() {
            asgard_contract::connector::Event::Done => break,
            asgard_contract::connector::Event::Rows(_) => rows += 1,
            asgard_contract::connector::Event::StreamFailed { error, .. } => panic!("{error}"),
            _ => {}
        }
    }
    assert!(rows > 10, "{rows} batches");
}

#[tokio::test]
async fn one_stream_fails_and_the_others_are_read() {
    let host = Host::new().await;
    host.write("a.csv", "a\n1\n");
    host.write("b.csv", "b\n2\n");
    let configuration = json!({"location": {"provider": "local", "folder": "data"}, "streams": [
        {"name": "a", "files": ["a.csv"]}, {"name": "b", "files": ["b.csv"]}]});
    let ingestion = host.ingestion(&configuration, FullRefreshOverwrite).await;
    std::fs::remove_file(host.data().join("a.csv")).unwrap();
    let mut sync = host.open(&ingestion, "task").await.unwrap();
    let mut told = Vec::new();
    loop {
        match sync.next().await.unwrap() {
            asgard_contract::connector::Event::Done => break,
            asgard_contract::connector::Event::StreamFailed { stream, .. } => told.push(format!("{stream} failed")),
            asgard_contract::connector::Event::Checkpoint { stream, complete: true, .. } => {
                told.push(format!("{} done", stream.unwrap()));
            }
            _ => {}
        }
    }
    assert_eq!(told, ["0 failed", "1 done"]);
    assert!(host.log.all().iter().any(|line| line.contains("b: 1 rows from 1 files")), "{:?}", host.log.all());
}
