//! Streams read side by side: the first instance exports its snapshot, and gives streams away to instances that import it. So all
//! of them show the database at one moment.
//!
//! Captured streams are not divided: their snapshot and their place in the log belong to one session.

use asgard_sdk::connector::{Event, Part};
use asgard_sdk::{Error, Result};

use super::{BEGIN, Run, SETTINGS, number, schema_of};
use crate::replication::objects::one;
use crate::session::Session;
use crate::wire::quote_literal;

impl Run {
    /// Of a part: connects, and takes the snapshot up while the instance that exported it still has it.
    ///
    /// # Errors
    /// Those of [`Session::open`]; `unavailable` when the snapshot cannot be taken up.
    pub fn join(&mut self) -> Result<()> {
        let Some(moment) = self.moment.take() else { return Ok(()) };
        let mut session = Session::open(self.capabilities.as_ref(), &self.configuration)?;
        session.execute(BEGIN)?;
        let import = format!("SET TRANSACTION SNAPSHOT {}", quote_literal(&moment));
        session.execute(&import).map_err(|failure| {
            let error = Error::from(failure);
            Error::unavailable(format!(
                "another session's snapshot cannot be taken up, which needs the same server: {error}"
            ))
        })?;
        session.execute(SETTINGS)?;
        self.session = Some(session);
        Ok(())
    }

    /// Gives streams away, if that is wanted and there are enough that are read whole.
    pub(super) fn divide(&mut self) -> Result<Option<Event>> {
        let whole: Vec<usize> =
            (0..self.streams.len()).filter(|index| !self.failed[*index] && !self.is_read(*index)).collect();
        if self.parts == 0 || whole.len() < 2 || (0..self.streams.len()).any(|index| self.is_captured(index)) {
            return Ok(None);
        }
        let mut session = Session::open(self.capabilities.as_ref(), &self.configuration)?;
        session.execute(BEGIN)?;
        // Before the savepoint: a subtransaction exports nothing.
        let moment = one(&mut session, "SELECT pg_catalog.pg_export_snapshot()")?;
        let sizes = self.sizes(&mut session, &whole)?;
        session.execute(SETTINGS)?;
        self.session = Some(session);

        // The first lot, which has the largest stream, stays here.
        let lots = lots(&sizes, self.parts as usize + 1).split_off(1);
        let parts = lots.into_iter().map(|lot| {
            let streams: Vec<usize> = lot.into_iter().map(|place| whole[place]).collect();
            streams.iter().for_each(|index| self.failed[*index] = true);
            Part { streams: streams.into_iter().map(number).collect(), moment: moment.clone().into_bytes() }
        });
        Ok(Some(Event::Divided(parts.collect())))
    }

    /// Bytes of the streams' tables, partitions included; 0 for views.
    fn sizes(&self, session: &mut Session, streams: &[usize]) -> Result<Vec<u64>> {
        let names: Vec<String> = streams
            .iter()
            .enumerate()
            .map(|(place, index)| {
                let stream = &self.streams[*index];
                format!("({place}, {}, {})", quote_literal(schema_of(stream)), quote_literal(&stream.name))
            })
            .collect();
        let rows = session.query(&format!(
            "SELECT COALESCE(SUM(pg_catalog.pg_relation_size(p.oid)), 0) FROM (VALUES {}) AS s (place, schema, name)
             LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = s.schema
             LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.name
             LEFT JOIN pg_catalog.pg_class p ON p.relkind IN ('r', 'm')
                 AND (p.oid = c.oid OR p.oid IN (SELECT inhrelid FROM pg_catalog.pg_inherits WHERE inhparent = c.oid))
             GROUP BY s.place ORDER BY s.place",
            names.join(", ")
        ))?;
        Ok(rows
            .into_iter()
            .map(|row| row.into_iter().flatten().next().and_then(|size| size.parse().ok()).unwrap_or(0))
            .collect())
    }
}

/// Divides things of these sizes into so many lots of about the same size, or fewer where there are fewer things. Within a lot
/// they are in their order.
fn lots(sizes: &[u64], count: usize) -> Vec<Vec<usize>> {
    let mut lots = vec![(0_u64, Vec::new()); count.min(sizes.len())];
    let mut largest_first: Vec<usize> = (0..sizes.len()).collect();
    largest_first.sort_by_key(|thing| std::cmp::Reverse(sizes[*thing]));
    for thing in largest_first {
        if let Some((total, lot)) = lots.iter_mut().min_by_key(|(total, _)| *total) {
            // A thing of no size takes a place all the same.
            *total += sizes[thing].max(1);
            lot.push(thing);
        }
    }
    lots.into_iter()
        .map(|(_, mut lot)| {
            lot.sort_unstable();
            lot
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lots_are_of_about_the_same_size_and_none_is_empty() {
        assert_eq!(lots(&[10, 500, 20, 30, 450], 2), [vec![0, 1], vec![2, 3, 4]]);
        assert_eq!(lots(&[0, 0, 0], 2), [vec![0, 2], vec![1]]);
        assert_eq!(lots(&[7, 9], 4), [vec![1], vec![0]]);
    }
}
