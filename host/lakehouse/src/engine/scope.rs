//! What the names of a statement stand for.
//!
//! `namespace.table` and `iceberg.namespace.table` are the lakehouse's tables and views. A bare name is a temporary view of
//! the statement, else an input of the statement, else nothing: there is no default namespace, so a table that is made later
//! never changes what a statement reads.
//!
//! A view of the lakehouse is planned in the dialect that it was made in, over the tables as they are now; views over views
//! are followed to a depth that only a circle reaches.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::io::Cursor;
use std::pin::Pin;
use std::sync::Arc;

use arrow_ipc::reader::StreamReader;
use asgard_contract::lakehouse::{Dialect, Input};
use asgard_contract::{Error, Result, TableName};
use datafusion::catalog::TableProvider;
use datafusion::common::Column;
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableSource};
use sqlparser::ast::Query;

use super::dialect::{self, SqlDialect};
use super::errors::Translator;
use super::lambdas::Lambdas;
use super::planner::{self, ViewSource};
use super::references::{self, Name, Reference};
use super::text::{nearest, suggestion, wrong};
use super::versions::{self, Versions};
use super::{files, functions, scan, script};
use crate::tables::{AsOf, Loaded, LoadedTable, LoadedView, Tables};

/// A view over a view over … of this depth reads itself.
const VIEWS_AT_MOST: usize = 16;

/// The names of one statement, filled as its queries come.
pub(super) struct Scope<'a> {
    pub(super) lakehouse: &'a Tables,
    pub(super) session: &'a SessionState,
    pub(super) dialect: &'static dyn SqlDialect,
    pub(super) inputs: &'a [(String, Input)],
    pub(super) memory_bytes: u64,
    /// Of tables whose version the statement does not say.
    pub(super) as_of: Option<AsOf>,
    depth: usize,
    tables: planner::Tables,
    /// Tables and views of the lakehouse that are read, those under views included; of tables, the snapshot.
    pub(super) read: BTreeSet<(TableName, Option<i64>)>,
    /// Lower-cased name of a column -> its name in the table that has it.
    pub(super) shown: HashMap<String, String>,
    /// Of all tables together, as far as their snapshots tell.
    pub(super) rows: u64,
}

impl<'a> Scope<'a> {
    pub(super) fn new(
        lakehouse: &'a Tables,
        session: &'a SessionState,
        dialect: Dialect,
        inputs: &'a [(String, Input)],
        memory_bytes: u64,
    ) -> Self {
        Self {
            lakehouse,
            session,
            dialect: dialect::of(dialect),
            inputs,
            memory_bytes,
            as_of: None,
            depth: 0,
            tables: HashMap::new(),
            read: BTreeSet::new(),
            shown: HashMap::new(),
            rows: 0,
        }
    }

    /// Plans a whole statement: its temporary views in order, then its query.
    pub(super) async fn plan(&mut self, script: script::Script) -> Result<LogicalPlan> {
        let errors = Translator::new(script.words.clone(), self.memory_bytes);
        self.plan_with(script, &errors).await
    }

    async fn plan_with(&mut self, script: script::Script, errors: &Translator) -> Result<LogicalPlan> {
        for view in script.views {
            let mut plan = self.query(view.query, errors).await?;
            if !view.columns.is_empty() {
                let has = plan.schema().fields().len();
                if view.columns.len() != has {
                    return Err(wrong(
                        script.words.find(&view.name),
                        format!(
                            "the view `{}` names {} columns, and its query has {has}",
                            view.name,
                            view.columns.len()
                        ),
                    ));
                }
                plan = planner::renamed(plan, &view.columns).map_err(|error| errors.planning(error))?;
            }
            self.tables.insert(Name::Bare(view.name), Arc::new(ViewSource::new(plan)));
        }
        self.query(script.query, errors).await
    }

    async fn query(&mut self, mut query: Query, errors: &Translator) -> Result<LogicalPlan> {
        let versions = versions::take(&mut query)?;
        for reference in references::of(&query)? {
            if !self.tables.contains_key(&reference.name) {
                let source = self.source(&reference, &versions).await?;
                self.tables.insert(reference.name, source);
            }
        }
        self.dialect.rewrite(&mut query)?;
        functions::check(self.dialect, &query)?;
        let lambdas = Lambdas::take(self.session, self.dialect, &mut query)?;
        planner::plan(self.session, self.dialect, &self.tables, query, &lambdas, errors)
    }

    async fn source(&mut self, reference: &Reference, versions: &Versions) -> Result<Arc<dyn TableSource>> {
        let (name, version) = match &reference.name {
            Name::Bare(own) if versions.contains_key(own) => {
                let (name, as_of) = &versions[own];
                (name, Some(*as_of))
            }
            name => (name, None),
        };
        match name {
            Name::Table(table) => self.lakehouse_table(table, version).await.map_err(|error| match error {
                Error::NotFound { message } => wrong(reference.place, message),
                Error::InvalidInput { message, .. } if version.is_some() => wrong(reference.place, message),
                other => other,
            }),
            Name::Bare(name) => {
                let input = self.inputs.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                match input {
                    Some((_, input)) => self.input(name, input, version).await,
                    None => Err(wrong(reference.place, self.unknown(name).await)),
                }
            }
        }
    }

    async fn input(&mut self, name: &str, input: &'a Input, version: Option<AsOf>) -> Result<Arc<dyn TableSource>> {
        match input {
            Input::Table(table) => self.lakehouse_table(table, version).await.map_err(|error| match error {
                Error::NotFound { message } => Error::invalid(format!("inputs.{name}"), message),
                other => other,
            }),
            Input::Location(location) => match self.lakehouse.load_location(location).await? {
                Some(table) => self.snapshot(&table),
                None => {
                    let rows =
                        files::open(self.session, &self.lakehouse.inner.stores, location).await.map_err(|error| {
                            match error {
                                Error::InvalidInput { message, .. } => {
                                    Error::invalid(format!("inputs.{name}"), message)
                                }
                                other => other,
                            }
                        })?;
                    self.provider(rows)
                }
            },
            Input::Arrow(ipc) => {
                let wrong = |error: &dyn std::fmt::Display| {
                    Error::invalid(format!("inputs.{name}"), format!("this is no Arrow IPC stream: {error}"))
                };
                let reader = StreamReader::try_new(Cursor::new(ipc), None).map_err(|error| wrong(&error))?;
                let schema = reader.schema();
                let batches = reader.collect::<std::result::Result<Vec<_>, _>>().map_err(|error| wrong(&error))?;
                let table = MemTable::try_new(schema, vec![batches]).map_err(|error| wrong(&error))?;
                self.provider(Arc::new(table))
            }
            Input::Object(key) => Err(Error::internal(format!(
                "the object `{key}` was not turned into a location before the statement ran"
            ))),
        }
    }

    async fn lakehouse_table(&mut self, name: &TableName, version: Option<AsOf>) -> Result<Arc<dyn TableSource>> {
        let as_of = version.or(self.as_of);
        let loaded = match as_of {
            Some(as_of) => self.lakehouse.load_as_of(name, as_of).await?,
            None => self.lakehouse.load(name).await?,
        };
        match loaded {
            Loaded::Table(table) => {
                self.read.insert((name.clone(), table.snapshot));
                self.snapshot(&table)
            }
            Loaded::View(view) => {
                self.read.insert((name.clone(), None));
                let plan = self.view(view, as_of).await?;
                Ok(Arc::new(ViewSource::new(plan)))
            }
        }
    }

    /// Boxed: a view's query may name views.
    fn view(
        &mut self,
        view: LoadedView,
        as_of: Option<AsOf>,
    ) -> Pin<Box<dyn Future<Output = Result<LogicalPlan>> + Send + '_>> {
        Box::pin(async move {
            let depth = self.depth + 1;
            if depth > VIEWS_AT_MOST {
                return Err(wrong(
                    None,
                    format!("the view `{}` is below {VIEWS_AT_MOST} others: one of them reads itself", view.name),
                ));
            }
            let mut scope = Scope::new(self.lakehouse, self.session, view.dialect, &[], self.memory_bytes);
            scope.depth = depth;
            scope.as_of = as_of;
            let script = script::parse_view(scope.dialect, &view.sql)?;
            let errors = Translator::of_view(&view.name, script.words.clone(), self.memory_bytes);
            let plan = scope.plan_with(script, &errors).await?;
            self.rows += scope.rows;
            self.read.extend(scope.read);
            Ok(plan)
        })
    }

    fn snapshot(&mut self, table: &LoadedTable) -> Result<Arc<dyn TableSource>> {
        self.rows += table.rows;
        self.provider(scan::snapshot(self.lakehouse, table)?)
    }

    /// Columns are known by their lower-case names; what they are called is remembered for results.
    fn provider(&mut self, provider: Arc<dyn TableProvider>) -> Result<Arc<dyn TableSource>> {
        let schema = provider.schema();
        let mut lower = BTreeSet::new();
        let mut as_they_are = true;
        for field in schema.fields() {
            let name = field.name().to_lowercase();
            if !lower.insert(name.clone()) {
                return Err(wrong(None, format!("two columns of a table differ only in case: `{name}`")));
            }
            as_they_are &= name == *field.name();
            self.shown.insert(name, field.name().clone());
        }
        let source = provider_as_source(provider);
        if as_they_are {
            return Ok(source);
        }
        let columns: Vec<Expr> = schema
            .fields()
            .iter()
            .map(|field| Expr::Column(Column::from_name(field.name())).alias(field.name().to_lowercase()))
            .collect();
        let plan = LogicalPlanBuilder::scan("source", source, None)
            .and_then(|scan| scan.project(columns))
            .and_then(LogicalPlanBuilder::build)
            .map_err(|error| Error::internal(error.strip_backtrace()))?;
        Ok(Arc::new(ViewSource::new(plan)))
    }

    /// What to say of a bare name that stands for nothing.
    async fn unknown(&self, name: &str) -> String {
        for namespace in crate::NAMESPACES {
            let tables = self.lakehouse.list(namespace).await.unwrap_or_default();
            if let Some(table) = tables.iter().find(|table| table.name.eq_ignore_ascii_case(name)) {
                return format!("there is no `{name}` here: write `{table}`");
            }
        }
        let views = self.tables.keys().filter_map(|known| match known {
            Name::Bare(view) => Some(view.as_str()),
            Name::Table(_) => None,
        });
        let known: BTreeSet<&str> = views.chain(self.inputs.iter().map(|(input, _)| input.as_str())).collect();
        let hint = match nearest(name, known.iter().copied()) {
            Some(_) => suggestion(name, known.iter().copied()),
            None => "; tables of the lakehouse are named with their namespace, such as `silver.work_orders`".to_owned(),
        };
        format!("there is no `{name}` here{hint}")
    }
}
