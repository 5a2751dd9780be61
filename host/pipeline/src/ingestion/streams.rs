//! Which streams of a source an ingestion has, and how each is synced.

use std::collections::HashMap;

use asgard_contract::connector::{StreamDescriptor, StreamSelection, SyncMode};
use asgard_contract::table::differing_in_case;
use asgard_contract::{Error, Result, TableName};

use crate::names;

/// A stream as a request names it.
#[derive(Debug, Clone)]
pub struct StreamChoice {
    pub namespace: Option<String>,
    /// With its namespace in front of it, as answers show it, where `namespace` is left out.
    pub name: String,
    pub sync_mode: Option<SyncMode>,
    pub cursor_field: Option<String>,
    pub primary_key: Vec<String>,
}

/// The streams that a request names, or all that can be synced.
///
/// # Errors
/// `invalid-input` naming the stream, `conflict` when two would share a table.
pub(super) fn select(
    discovered: &[StreamDescriptor],
    choices: Option<&[StreamChoice]>,
    prefix: &str,
) -> Result<Vec<StreamSelection>> {
    let mut streams = Vec::new();
    match choices {
        None => {
            for stream in discovered.iter().filter(|stream| stream.unsupported.is_none()) {
                streams.push(selection(stream, None, prefix)?);
            }
        }
        Some(choices) => {
            for (index, choice) in choices.iter().enumerate() {
                let field = format!("streams[{index}]");
                let stream = find(discovered, choice, &field)?;
                streams.push(selection(stream, Some((choice, &field)), prefix)?);
            }
        }
    }
    check_together(&streams)?;
    Ok(streams)
}

/// Streams of an ingestion that there is already.
pub(super) struct Reselected {
    pub(super) streams: Vec<StreamSelection>,
    /// Bronze tables of those that are new, or are synced otherwise from now on.
    pub(super) anew: Vec<String>,
}

/// The streams that a request names; those of before keep what it says nothing about, and need not be in the source any more.
///
/// # Errors
/// Those of [`select`].
pub(super) fn reselect(
    before: &[StreamSelection],
    discovered: &[StreamDescriptor],
    choices: &[StreamChoice],
    prefix: &str,
) -> Result<Reselected> {
    let mut found = Reselected { streams: Vec::new(), anew: Vec::new() };
    for (index, choice) in choices.iter().enumerate() {
        let field = format!("streams[{index}]");
        let mut known = before.iter().filter(|stream| choice.is_of(stream));
        let known = known.next().filter(|_| known.next().is_none());
        if let Some(known) = known.filter(|known| choice.leaves(known)) {
            found.streams.push(known.clone());
            continue;
        }
        let choice = known.map_or_else(|| choice.clone(), |known| choice.over(known));
        let stream = selection(find(discovered, &choice, &field)?, Some((&choice, &field)), prefix)?;
        found.anew.push(stream.table.clone());
        found.streams.push(stream);
    }
    check_together(&found.streams)?;
    Ok(found)
}

impl StreamChoice {
    pub(super) fn is_of(&self, stream: &StreamSelection) -> bool {
        self.names(stream.namespace.as_deref(), &stream.name)
    }

    fn names(&self, namespace: Option<&str>, name: &str) -> bool {
        match self.namespace.as_deref() {
            Some(own) => Some(own) == namespace && self.name == name,
            None => self.name == name || self.name == full_name(namespace, name),
        }
    }

    /// The stream is synced as before.
    fn leaves(&self, stream: &StreamSelection) -> bool {
        self.sync_mode.is_none_or(|mode| mode == stream.sync_mode)
            && (self.cursor_field.is_none() || self.cursor_field == stream.cursor)
            && (self.primary_key.is_empty() || self.primary_key == stream.primary_key)
    }

    fn over(&self, stream: &StreamSelection) -> Self {
        Self {
            namespace: stream.namespace.clone(),
            name: stream.name.clone(),
            sync_mode: self.sync_mode.or(Some(stream.sync_mode)),
            cursor_field: self.cursor_field.clone().or_else(|| stream.cursor.clone()),
            primary_key: self.primary_key.clone(),
        }
    }
}

fn check_together(streams: &[StreamSelection]) -> Result<()> {
    if streams.is_empty() {
        return Err(Error::invalid(
            "streams",
            "the source has no stream that can be synced: GET /datasource/{id}/streams says why",
        ));
    }
    let mut owners: HashMap<&str, &StreamSelection> = HashMap::new();
    for stream in streams {
        if let Some(other) = owners.insert(&stream.table, stream) {
            return Err(Error::conflict(format!(
                "streams `{}` and `{}` would both become `bronze.{}`: put them in two ingestions, one with a `prefix`",
                full_name(other.namespace.as_deref(), &other.name),
                full_name(stream.namespace.as_deref(), &stream.name),
                stream.table
            )));
        }
    }
    Ok(())
}

/// A stream's columns as the source has them now, and its primary key unless a request chose it.
///
/// # Errors
/// `not-found` for a stream that is gone, `conflict` for one that cannot be synced as it is any more.
pub(super) fn refresh(stream: &mut StreamSelection, discovered: &[StreamDescriptor], chosen_key: bool) -> Result<()> {
    let name = full_name(stream.namespace.as_deref(), &stream.name);
    let found = discovered.iter().find(|found| found.namespace == stream.namespace && found.name == stream.name);
    let found = found.ok_or_else(|| {
        Error::not_found(format!(
            "the source has no stream `{name}` any more: restore it, or PATCH the ingestion with the other `streams`"
        ))
    })?;
    if let Some(reason) = &found.unsupported {
        return Err(Error::conflict(format!("stream `{name}` cannot be synced any more: {reason}")));
    }
    if !chosen_key {
        if stream.sync_mode.merges() && found.primary_key.is_empty() {
            return Err(Error::conflict(format!(
                "stream `{name}` has no primary key any more, and is merged by it: give it one, or PATCH the ingestion with another \
                 `syncMode` for it"
            )));
        }
        stream.primary_key.clone_from(&found.primary_key);
    }
    let has = |column: &String| found.columns.iter().any(|found| found.name == *column);
    if let Some(gone) = stream.primary_key.iter().chain(&stream.cursor).find(|column| !has(column)) {
        return Err(Error::conflict(format!(
            "stream `{name}` has no column `{gone}` any more, which is part of its primary key or its cursor: PATCH the ingestion with other ones"
        )));
    }
    stream.columns.clone_from(&found.columns);
    Ok(())
}

fn find<'a>(discovered: &'a [StreamDescriptor], choice: &StreamChoice, field: &str) -> Result<&'a StreamDescriptor> {
    let found: Vec<_> =
        discovered.iter().filter(|stream| choice.names(stream.namespace.as_deref(), &stream.name)).collect();
    match found.as_slice() {
        [one] => match &one.unsupported {
            Some(reason) => Err(Error::invalid(field, reason.clone())),
            None => Ok(one),
        },
        [] => Err(Error::invalid(
            format!("{field}.name"),
            format!(
                "the source has no stream `{}`: it has {}",
                full_name(choice.namespace.as_deref(), &choice.name),
                listed(discovered)
            ),
        )),
        _ => Err(Error::invalid(
            format!("{field}.namespace"),
            format!("several streams are called `{}`: name the namespace of one", choice.name),
        )),
    }
}

fn listed(discovered: &[StreamDescriptor]) -> String {
    let mut all: Vec<String> = discovered.iter().take(20).map(|s| full_name(s.namespace.as_deref(), &s.name)).collect();
    if discovered.len() > all.len() {
        all.push(format!("and {} more", discovered.len() - all.len()));
    }
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

fn selection(
    stream: &StreamDescriptor,
    choice: Option<(&StreamChoice, &str)>,
    prefix: &str,
) -> Result<StreamSelection> {
    let mut selection = StreamSelection {
        namespace: stream.namespace.clone(),
        name: stream.name.clone(),
        sync_mode: default_mode(stream),
        cursor: None,
        primary_key: stream.primary_key.clone(),
        columns: stream.columns.clone(),
        table: names::bronze_table(prefix, &stream.name),
        checkpoint: None,
    };
    if selection.table.len() > names::LONGEST_TABLE {
        return Err(Error::invalid(
            "prefix",
            format!(
                "table `{}` would have a name of {} characters, and {} fit: take a shorter `prefix`, or sync a view of a shorter name",
                selection.table,
                selection.table.len(),
                names::LONGEST_TABLE
            ),
        ));
    }
    let Some((choice, field)) = choice else {
        check_case(&selection, "streams")?;
        return Ok(selection);
    };
    if let Some(mode) = choice.sync_mode {
        if !stream.sync_modes.contains(&mode) {
            return Err(Error::invalid(
                format!("{field}.syncMode"),
                format!("the stream cannot be synced this way: it offers {}", modes(&stream.sync_modes)),
            ));
        }
        selection.sync_mode = mode;
    }
    if !choice.primary_key.is_empty() {
        selection.primary_key.clone_from(&choice.primary_key);
    }
    selection.cursor.clone_from(&choice.cursor_field);
    let columns: Vec<&str> = stream.columns.iter().map(|column| column.name.as_str()).collect();
    let named = selection.primary_key.iter().map(|key| (key, "primaryKey"));
    for (name, part) in named.chain(selection.cursor.iter().map(|cursor| (cursor, "cursorField"))) {
        if !columns.contains(&name.as_str()) {
            return Err(Error::invalid(
                format!("{field}.{part}"),
                format!("the stream has no column `{name}`: it has {}", columns.join(", ")),
            ));
        }
    }
    check_key(&selection, field)?;
    check_case(&selection, field)?;
    check_cursor(&selection, stream, field)?;
    if selection.sync_mode.merges() && selection.primary_key.is_empty() {
        return Err(Error::invalid(
            format!("{field}.primaryKey"),
            "merging needs a primary key, and the table has none",
        ));
    }
    Ok(selection)
}

fn modes(modes: &[SyncMode]) -> String {
    let names: Vec<String> = modes.iter().map(|mode| format!("`{}`", mode.as_str())).collect();
    names.join(", ")
}

/// A stream without any cursor finds by itself what is new.
fn check_cursor(selection: &StreamSelection, stream: &StreamDescriptor, field: &str) -> Result<()> {
    if !selection.sync_mode.is_incremental() || stream.cursor_columns.is_empty() {
        return Ok(());
    }
    let message = match &selection.cursor {
        None => "an incremental sync needs a cursor column".to_owned(),
        Some(cursor) if stream.cursor_columns.contains(cursor) => return Ok(()),
        Some(cursor) => {
            format!("`{cursor}` cannot be a cursor: expected one of {}", stream.cursor_columns.join(", "))
        }
    };
    Err(Error::invalid(format!("{field}.cursorField"), message))
}

/// Rows are found by plain values, each once.
fn check_key(stream: &StreamSelection, field: &str) -> Result<()> {
    let field = format!("{field}.primaryKey");
    for (place, name) in stream.primary_key.iter().enumerate() {
        if stream.primary_key[..place].contains(name) {
            return Err(Error::invalid(field, format!("column `{name}` is in it twice")));
        }
        let data_type =
            stream.columns.iter().find(|column| column.name == *name).map_or("", |column| &column.data_type);
        if data_type.contains('<') {
            return Err(Error::invalid(
                field,
                format!("column `{name}` is a {data_type}: a key is made of plain values"),
            ));
        }
    }
    Ok(())
}

/// Columns that SQL does not tell apart make no table.
fn check_case(stream: &StreamSelection, field: &str) -> Result<()> {
    let Some((one, other)) = differing_in_case(stream.columns.iter().map(|column| column.name.as_str())) else {
        return Ok(());
    };
    Err(Error::invalid(
        field,
        format!(
            "columns `{one}` and `{other}` of stream `{}` differ in case alone, which SQL does not tell apart: sync a view that names \
             them otherwise, and leave this stream out of `streams`",
            full_name(stream.namespace.as_deref(), &stream.name)
        ),
    ))
}

/// The connector offers the mode first that fits the source's configuration; one that needs a cursor has to be asked for.
fn default_mode(stream: &StreamDescriptor) -> SyncMode {
    match stream.sync_modes.first() {
        Some(mode) if !mode.is_incremental() => *mode,
        _ => SyncMode::FullRefreshOverwrite,
    }
}

pub(super) fn full_name(namespace: Option<&str>, name: &str) -> String {
    namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}.{name}"))
}

/// The bronze table of a stream.
pub(super) fn table_of(stream: &StreamSelection) -> TableName {
    TableName::new("bronze", &stream.table)
}
