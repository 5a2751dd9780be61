//! Whether a view fits its table.

use asgard_features::registration::check;
use asgard_sdk::feature_source::{Dtype, FeatureView};
use asgard_sdk::{Column, Error};

use crate::view;

fn columns() -> Vec<Column> {
    [
        ("operator_id", "string"),
        ("seen", "timestamptz"),
        ("orders", "long"),
        ("pace", "double"),
        ("price", "decimal(10,2)"),
        ("history", "list<double>"),
        ("parts", "map<string,int>"),
    ]
    .map(|(name, data_type)| Column {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        nullable: true,
        doc: None,
    })
    .to_vec()
}

fn refused(view: &FeatureView) -> (String, String) {
    match check(view, &columns()) {
        Err(Error::InvalidInput(input)) => (input.field.unwrap(), input.message),
        other => panic!("expected invalid input, not {other:?}"),
    }
}

#[test]
fn a_view_whose_columns_fit_is_accepted() {
    let features = [
        ("orders", Dtype::Int64),
        ("pace", Dtype::Float32),
        ("price", Dtype::Float64),
        ("history", Dtype::ArrayFloat64),
    ];
    assert!(check(&view("pace", &features), &columns()).is_ok());
}

#[test]
fn a_dtype_that_does_not_fit_is_named_with_the_column_and_those_that_do() {
    let (field, message) = refused(&view("pace", &[("pace", Dtype::Float64), ("orders", Dtype::Int32)]));
    assert_eq!(field, "features[1].dtype");
    assert_eq!(message, "column `orders` of `gold.pace` is long, which is not int32: expected int64, float32, float64");
    let (field, message) = refused(&view("pace", &[("parts", Dtype::String)]));
    assert_eq!(field, "features[0].dtype");
    assert!(message.contains("map<string,int>") && message.contains("no dtype"), "{message}");
}

#[test]
fn a_missing_column_is_named_with_those_that_there_are() {
    let (field, message) = refused(&view("pace", &[("speed", Dtype::Float64)]));
    assert_eq!(field, "features[0].name");
    assert!(message.contains("`speed`") && message.contains("operator_id, seen, orders, pace"), "{message}");

    let mut wrong = view("pace", &[("pace", Dtype::Float64)]);
    wrong.entities = vec!["operator_id".to_owned(), "plant".to_owned()];
    assert_eq!(refused(&wrong).0, "entities[1]");
    wrong.entities = vec!["pace".to_owned()];
    assert_eq!(refused(&wrong).0, "entities[0]");
}

#[test]
fn times_must_be_times() {
    let mut wrong = view("pace", &[("pace", Dtype::Float64)]);
    wrong.timestamp_field = Some("orders".to_owned());
    let (field, message) = refused(&wrong);
    assert_eq!(field, "source.timestamp_field");
    assert!(message.contains("is long"), "{message}");
    let mut wrong = view("pace", &[("pace", Dtype::Float64)]);
    wrong.created_timestamp_column = Some("made".to_owned());
    assert_eq!(refused(&wrong).0, "source.created_timestamp_column");
}
