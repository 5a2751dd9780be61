//! Keys in memory and in files, against a plain map of the keys themselves.

use std::collections::BTreeMap;

use arrow_array::{Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array};

use super::*;
use crate::testing::Dice;
use crate::types::{NewColumn, parse};

/// The column that some updates leave alone.
const KEPT: i32 = 7;

fn column(data_type: &str) -> NewColumn {
    NewColumn { name: "id".to_owned(), field_type: parse(data_type).unwrap(), required: false, doc: None }
}

fn schema(id: &str) -> Schema {
    evolution::created(&[column(id)]).unwrap()
}

fn replaced(before: &str, now: &str) -> Schema {
    let before = schema(before);
    evolution::replaced(&before, before.highest_field_id(), &[column(now)]).unwrap()
}

fn key() -> [String; 1] {
    ["id".to_owned()]
}

fn keys(id: &str, held: usize) -> Keys {
    Keys::new(&schema(id), &key(), held).unwrap()
}

fn rows(id: impl Array + 'static) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([("id", Arc::new(id) as ArrayRef, true)]).unwrap()
}

fn longs(ids: &[Option<i64>]) -> RecordBatch {
    rows(Int64Array::from(ids.to_vec()))
}

/// As [`Origin`], with the key itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Written(u64),
    Table(i64),
}

#[derive(Default)]
struct Model {
    found: BTreeMap<i64, Found>,
    places: BTreeMap<i64, Place>,
    rows: u64,
    emptied: bool,
    deletes: bool,
    repeats: bool,
}

impl Model {
    fn write(&mut self, id: i64, before: i64, keeps: bool) {
        let place = match self.found.get(&before) {
            _ if !keeps => None,
            Some(Found { last: Some(row), .. }) => {
                Some(self.places.get(&before).copied().unwrap_or(Place::Written(*row)))
            }
            Some(Found { last: None, .. }) => None,
            None => (!self.emptied).then_some(Place::Table(before)),
        };
        if before != id {
            self.delete(before);
        }
        self.places.remove(&id);
        self.places.extend(place.map(|place| (id, place)));
        let found = self.found.entry(id).or_default();
        self.repeats |= found.count > 0;
        *found = Found { last: Some(self.rows), count: found.count + 1 };
        self.rows += 1;
    }

    fn delete(&mut self, id: i64) {
        self.places.remove(&id);
        self.found.entry(id).or_default().last = None;
        self.deletes = true;
    }
}

/// Adds some rows of one kind to both.
async fn change(keys: &mut Keys, model: &mut Model, dice: &mut Dice, ids: u64, most: u64) {
    let rolled: Vec<i64> = (0..=dice.roll(most)).map(|_| dice.roll(ids) as i64).collect();
    let mut batch: Vec<Option<i64>> = rolled.iter().copied().map(Some).collect();
    match dice.roll(4) {
        0 => {
            let operations: Vec<Operation> =
                rolled.iter().map(|_| [Operation::Write, Operation::Delete][dice.roll(2) as usize]).collect();
            for (id, operation) in rolled.iter().zip(&operations) {
                match operation {
                    Operation::Write => model.write(*id, *id, false),
                    Operation::Delete => model.delete(*id),
                }
            }
            let changes = Changes { operations: Some(&operations), ..Changes::default() };
            keys.add(&longs(&batch), changes).await.unwrap();
        }
        1 => {
            rolled.iter().for_each(|id| model.write(*id, *id, true));
            keys.add(&longs(&batch), Changes { kept: &[KEPT], ..Changes::default() }).await.unwrap();
        }
        2 => {
            let before: Vec<i64> = rolled.iter().map(|_| dice.roll(ids) as i64).collect();
            rolled.iter().zip(&before).for_each(|(id, before)| model.write(*id, *before, true));
            let before = longs(&before.into_iter().map(Some).collect::<Vec<_>>());
            let changes = Changes { kept: &[KEPT], previous: Some(&before), ..Changes::default() };
            keys.add(&longs(&batch), changes).await.unwrap();
        }
        // A row without a key is one of the rows.
        _ => {
            rolled.iter().for_each(|id| model.write(*id, *id, false));
            batch.push(None);
            model.rows += 1;
            keys.add(&longs(&batch), Changes::default()).await.unwrap();
        }
    }
}

/// Both say the same of all keys there are, and of some more.
async fn check(keys: &Keys, model: &Model, ids: u64, told: &str) {
    let all: Vec<i64> = (0..ids as i64 + 3).collect();
    let batch = longs(&all.iter().copied().map(Some).collect::<Vec<_>>());
    let wanted: Vec<Option<Found>> = all.iter().map(|id| model.found.get(id).copied()).collect();
    assert_eq!(keys.find(&batch).await.unwrap(), wanted, "{told}");
    assert_eq!(keys.is_empty(), model.found.is_empty(), "{told}");
    assert_eq!(keys.is_partial(), !model.places.is_empty(), "{told}");
    let fingerprints: Vec<Fingerprint> = keys.of(&batch).unwrap().into_iter().flatten().collect();
    for (id, fingerprint) in all.iter().zip(&fingerprints) {
        let wanted = model.places.get(id).map(|place| match place {
            Place::Written(row) => (KEPT, Origin::Written(*row)),
            Place::Table(id) => (KEPT, Origin::Table(fingerprints[*id as usize])),
        });
        assert_eq!(keys.lacking(*fingerprint), wanted.as_slice(), "{told}, key {id}");
    }
}

#[tokio::test]
async fn what_is_known_of_keys_is_the_same_wherever_they_are() {
    for seed in 0..48 {
        let mut dice = Dice(seed);
        // A few keys that come again and again, or so many that a file has several pages.
        let (ids, most) = [(12, 5), (900, 80)][seed as usize % 2];
        let held = [1, 4, 100, usize::MAX][seed as usize / 2 % 4];
        let told = format!("seed {seed}, {held} held");
        let mut model = Model { emptied: seed % 3 == 0, ..Model::default() };
        let mut keys = keys("long", held);
        if model.emptied {
            keys = keys.of_emptied_table();
        }
        check(&keys, &model, ids, &told).await;
        for step in 0..90 {
            change(&mut keys, &mut model, &mut dice, ids, most).await;
            if step % 15 == 0 {
                check(&keys, &model, ids, &told).await;
            }
        }
        assert_eq!(keys.index.runs.is_empty(), held > ids as usize, "{told}");
        keys.finish().await.unwrap();
        assert!(keys.index.runs.len() <= 1, "{told}");
        check(&keys, &model, ids, &told).await;
        assert_eq!(keys.is_settled(), !model.repeats && !model.deletes, "{told}");
    }
}

#[tokio::test]
async fn only_a_key_that_comes_twice_or_is_deleted_unsettles_a_write() {
    for held in [1, usize::MAX] {
        for (last, settled) in [(100, true), (3, false)] {
            let mut keys = keys("long", held);
            for id in (0..100).chain([last]) {
                keys.add(&longs(&[Some(id)]), Changes::default()).await.unwrap();
            }
            keys.finish().await.unwrap();
            assert_eq!(keys.is_settled(), settled, "{held} held, the last is {last}");
        }
        let mut keys = keys("long", held);
        for (id, operation) in [(1, Operation::Write), (2, Operation::Delete)] {
            let operations = [operation];
            let changes = Changes { operations: Some(&operations), ..Changes::default() };
            keys.add(&longs(&[Some(id)]), changes).await.unwrap();
        }
        keys.finish().await.unwrap();
        assert!(!keys.is_settled(), "{held} held");
    }
}

#[tokio::test]
async fn keys_of_a_column_that_is_widened_stay_the_keys_of_its_values() {
    let decimals = |precision: u8| {
        let values = Decimal128Array::from(vec![Some(-150), Some(7), None]);
        rows(values.with_precision_and_scale(precision, 2).unwrap())
    };
    let cases = [
        (
            "int",
            "long",
            rows(Int32Array::from(vec![-1, 7, i32::MAX])),
            rows(Int64Array::from(vec![-1, 7, 2_147_483_647])),
        ),
        (
            "float",
            "double",
            rows(Float32Array::from(vec![-0.5, f32::NAN, f32::INFINITY])),
            rows(Float64Array::from(vec![-0.5, f64::NAN, f64::INFINITY])),
        ),
        ("decimal(5,2)", "decimal(20,2)", decimals(5), decimals(20)),
    ];
    for (narrow, wide, before, after) in cases {
        for held in [1, usize::MAX] {
            let mut keys = keys(narrow, held);
            for row in 0..before.num_rows() {
                keys.add(&before.slice(row, 1), Changes::default()).await.unwrap();
            }
            let known = keys.find(&before).await.unwrap();
            let mut keys = keys.evolved(&replaced(narrow, wide), &key()).unwrap();
            assert_eq!(keys.find(&after).await.unwrap(), known, "{narrow}, {held} held");
            keys.add(&after.slice(0, 1), Changes::default()).await.unwrap();
            keys.finish().await.unwrap();
            assert_eq!(keys.find(&after).await.unwrap()[0], Some(Found { last: Some(3), count: 2 }), "{narrow}");
        }
    }
}

#[tokio::test]
async fn keys_of_a_column_that_is_replaced_are_lost_with_it() {
    let text = replaced("int", "string");
    let none = keys("int", 1).evolved(&text, &key()).unwrap();
    assert_eq!(none.schema().field(0).data_type(), &DataType::Utf8, "there are no rows whose keys would be lost");
    let mut keys = keys("int", 1);
    keys.add(&rows(Int32Array::from(vec![1])), Changes::default()).await.unwrap();
    let Err(error) = keys.evolved(&text, &key()) else { panic!("expected an error") };
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
}
